"""Keeps screenings: each text's answer once, and a record each time somebody asked."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from screening.results import Screening, Verdict
from screening.screener import TextInput
from service.storage.tables import Answer, AnswerLabel, ScreeningRecord, new_id, now

# Bound parameters in one statement are limited, in SQLite to 32,766.
CHUNK = 500


@dataclass(frozen=True)
class Particulars:
    """What the asker says about a text beside its kind and category."""

    title: str = ""
    source_url: str = ""
    reference: str = ""
    seller: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked(Particulars):
    """What a record of a screening notes beside the answer and who asked."""

    id: str
    created_at: datetime


@dataclass(frozen=True)
class Filter:
    """Which screenings to list; None and empty mean any. `labels`: at least one of them found."""

    labels: Collection[str] | None = None
    verdict: Verdict | None = None
    since: datetime | None = None
    until: datetime | None = None
    seller: str = ""
    reference: str = ""


def digest(item: TextInput, model_version: str) -> str:
    """Return what an answer is kept under: the hash of text, context and model, and of how it was read.

    All that an input holds counts, as all of it decides.
    """
    parts = map(str, (*astuple(item), model_version))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def find_answers(session: Session, digests: Collection[str]) -> dict[str, Answer]:
    """Return the kept answers among these digests."""
    wanted = list(digests)
    found: dict[str, Answer] = {}
    for start in range(0, len(wanted), CHUNK):
        query = select(Answer).where(Answer.digest.in_(wanted[start : start + CHUNK]))
        found |= {answer.digest: answer for answer in session.scalars(query)}
    return found


def keep_answers(session: Session, results: Mapping[str, tuple[TextInput, Screening]]) -> dict[str, int]:
    """Keep results by digest and return their seq; where another process kept one first, that one stands."""
    if not results:
        return {}
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    rows = [
        {
            "digest": key,
            "text": item.text,
            "kind": item.kind,
            "category": item.category,
            "model_version": result.model_version,
            "score": result.score,
            "verdict": result.verdict.value,
            "result": result.model_dump_json(),
        }
        for key, (item, result) in sorted(results.items())  # whoever keeps the same answers waits, in the same order
    ]
    # The tables themselves, not their classes: these statements run with every request.
    table = Answer.__table__
    statement = insert(table).on_conflict_do_nothing(index_elements=["digest"])  # type: ignore[arg-type]
    written = session.execute(statement.returning(table.c.digest, table.c.seq), rows)
    kept: dict[str, int] = {row.digest: row.seq for row in written}
    labels = [
        {"answer_seq": seq, "label": finding.label} for key, seq in kept.items() for finding in results[key][1].findings
    ]
    if labels:
        session.execute(AnswerLabel.__table__.insert(), labels)  # type: ignore[attr-defined]
    others = results.keys() - kept.keys()
    return kept | {key: answer.seq for key, answer in find_answers(session, others).items()}


def add_records(
    session: Session, actor: str, answers: Sequence[int], particulars: Sequence[Particulars]
) -> list[Asked]:
    """Note that `actor` asked for these answers, given by seq."""
    asked = [Asked(id=new_id(), created_at=now(), **vars(own)) for own in particulars]
    rows = [{"answer_seq": seq, "actor": actor, **vars(own)} for seq, own in zip(answers, asked, strict=True)]
    if rows:
        session.execute(ScreeningRecord.__table__.insert(), rows)  # type: ignore[attr-defined]
    return asked


def find_record(session: Session, record_id: str) -> ScreeningRecord | None:
    """Return a screening by its id."""
    return session.scalar(select(ScreeningRecord).where(ScreeningRecord.id == record_id))


def list_records(session: Session, wanted: Filter, before: int | None, limit: int) -> list[ScreeningRecord]:
    """Return up to `limit` screenings that fit, the newest first, older than the cursor `before` (a seq)."""
    query = select(ScreeningRecord).join(ScreeningRecord.answer).order_by(ScreeningRecord.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(ScreeningRecord.seq < before)
    if wanted.labels is not None:
        found = select(AnswerLabel.answer_seq).where(AnswerLabel.label.in_(wanted.labels))
        query = query.where(ScreeningRecord.answer_seq.in_(found))
    if wanted.verdict:
        query = query.where(Answer.verdict == wanted.verdict.value)
    if wanted.since:
        query = query.where(ScreeningRecord.created_at >= wanted.since)
    if wanted.until:
        query = query.where(ScreeningRecord.created_at < wanted.until)
    if wanted.seller:
        query = query.where(ScreeningRecord.seller == wanted.seller)
    if wanted.reference:
        query = query.where(ScreeningRecord.reference == wanted.reference)
    return list(session.scalars(query))
