"""Keeps jobs and their rows. A row is finished once, by whoever is first, and counted in that same transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from screening.screener import TextInput
from service.records import Failure, Record
from service.storage.tables import JobItem, JobRecord, Lead, LeadResult, now

INSERT_CHUNK = 1000
LEAD_LOCK = 728302


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Purpose(StrEnum):
    """What a job was made for."""

    UPLOAD = "upload"
    LEADS = "leads"


FINAL = (JobState.DONE, JobState.CANCELLED, JobState.FAILED)


def create_job(
    session: Session, actor: str, name: str, purpose: Purpose, rows: Iterable[Record | Failure]
) -> JobRecord:
    """Keep a job and its rows; bad rows are finished at once, with their error."""
    job = JobRecord(actor=actor, name=name[:300], purpose=purpose.value, state=JobState.QUEUED.value, total=0)
    session.add(job)
    session.flush()
    chunk: list[dict[str, object]] = []
    total = failed = 0
    for number, row in enumerate(rows):
        bad = isinstance(row, Failure)
        failed += bad
        total += 1
        chunk.append(
            {
                "job_seq": job.seq,
                "number": number,
                "row": row.row,
                "item_id": row.id[:200],
                "text": "" if isinstance(row, Failure) else row.item.text,
                "kind": None if isinstance(row, Failure) else row.item.kind,
                "category": "" if isinstance(row, Failure) else row.item.category,
                "finished": bad,
                "error": row.error[:500] if isinstance(row, Failure) else "",
            }
        )
        if len(chunk) == INSERT_CHUNK:
            session.execute(insert(JobItem), chunk)
            chunk = []
    if chunk:
        session.execute(insert(JobItem), chunk)
    job.total, job.failed = total, failed
    return job


def find_job(session: Session, job_id: str) -> JobRecord | None:
    """Return a job by its id."""
    return session.scalar(select(JobRecord).where(JobRecord.id == job_id))


def list_jobs(session: Session, before: int | None, limit: int) -> list[JobRecord]:
    """Return up to `limit` jobs, the newest first, older than the cursor `before` (a seq)."""
    query = select(JobRecord).order_by(JobRecord.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(JobRecord.seq < before)
    return list(session.scalars(query))


def unfinished_jobs(session: Session) -> list[str]:
    """Return the ids of jobs that are queued or running."""
    final = [state.value for state in FINAL]
    return list(session.scalars(select(JobRecord.id).where(JobRecord.state.not_in(final)).order_by(JobRecord.seq)))


def set_state(session: Session, job_id: str, state: JobState, error: str = "") -> bool:
    """Move a job on, unless it has ended; tell whether it moved."""
    values: dict[str, object] = {"state": state.value, "error": error[:500]}
    if state is JobState.RUNNING:
        values["started_at"] = func.coalesce(JobRecord.started_at, now())
    if state in FINAL:
        values["finished_at"] = now()
    final = [own.value for own in FINAL]
    statement = update(JobRecord).where(JobRecord.id == job_id, JobRecord.state.not_in(final)).values(**values)
    result = session.execute(statement)
    assert isinstance(result, CursorResult)  # noqa: S101 - an update has a row count
    if result.rowcount and state in (JobState.CANCELLED, JobState.FAILED):
        _give_up_leads(session, job_id)
    return bool(result.rowcount)


def _give_up_leads(session: Session, job_id: str) -> None:
    """Forget the leads of a job that have no outcome and will have none, so that they can be sent in again."""
    _lock_leads(session)
    job = select(JobRecord.seq).where(JobRecord.id == job_id).scalar_subquery()
    session.execute(delete(Lead).where(Lead.job_seq == job, Lead.seq.not_in(select(LeadResult.lead_seq))))


def waiting_items(session: Session, job_seq: int, first: int, end: int) -> list[JobItem]:
    """Return the unfinished rows of a job with numbers first:end."""
    query = select(JobItem).where(
        JobItem.job_seq == job_seq, JobItem.number >= first, JobItem.number < end, JobItem.finished.is_(False)
    )
    return list(session.scalars(query.order_by(JobItem.number)))


def input_of(item: JobItem) -> TextInput:
    """Return what the screener reads of a row."""
    kind = item.kind if item.kind in ("ad", "clause", "product") else None
    return TextInput(item.text, kind, item.category)  # type: ignore[arg-type]


def finish_items(session: Session, job: JobRecord, outcomes: Mapping[int, int | str], model_version: str) -> None:
    """Finish rows, by number, with their answer's seq or their error; rows finished before stay as they are."""
    done = failed = 0
    for number, outcome in outcomes.items():
        values: dict[str, object] = {"error": outcome[:500]} if isinstance(outcome, str) else {"answer_seq": outcome}
        own = (JobItem.job_seq == job.seq, JobItem.number == number, JobItem.finished.is_(False))
        result = session.execute(update(JobItem).where(*own).values(finished=True, **values))
        assert isinstance(result, CursorResult)  # noqa: S101 - an update has a row count
        if result.rowcount:
            done += not isinstance(outcome, str)
            failed += isinstance(outcome, str)
    counted = {"done": JobRecord.done + done, "failed": JobRecord.failed + failed, "model_version": model_version}
    session.execute(update(JobRecord).where(JobRecord.seq == job.seq).values(**counted))
    # After the job's own row, which whoever ends the job locks first too.
    if job.purpose == Purpose.LEADS:
        _give_out(session, job.seq, outcomes)


def _lock_leads(session: Session) -> None:
    """Let nobody else give leads out or up until this transaction ends."""
    if session.get_bind().dialect.name != "sqlite":  # SQLite has one writer at a time
        session.execute(text(f"SELECT pg_advisory_xact_lock({LEAD_LOCK})"))


def _give_out(session: Session, job_seq: int, numbers: Iterable[int]) -> None:
    """Make the outcomes of leads readable, in an order that later ones never undercut."""
    _lock_leads(session)
    given = select(LeadResult.lead_seq)
    query = select(Lead.seq).where(Lead.job_seq == job_seq, Lead.number.in_(list(numbers)), Lead.seq.not_in(given))
    session.add_all(LeadResult(lead_seq=seq) for seq in session.scalars(query))


def note_error(session: Session, job_id: str, error: str) -> None:
    """Note with a job that has ended what went wrong after."""
    session.execute(update(JobRecord).where(JobRecord.id == job_id).values(error=error[:500]))


def give_out_failures(session: Session, job_seq: int) -> None:
    """Make the outcomes of leads that could not be read at all readable."""
    query = select(JobItem.number).where(JobItem.job_seq == job_seq, JobItem.finished.is_(True))
    _give_out(session, job_seq, list(session.scalars(query)))


def iterate_items(session: Session, job_seq: int, page: int = 500) -> Iterator[Sequence[JobItem]]:
    """Yield a job's rows in order, in pages."""
    last = -1
    while True:
        query = select(JobItem).where(JobItem.job_seq == job_seq, JobItem.number > last)
        items = list(session.scalars(query.order_by(JobItem.number).limit(page)))
        if not items:
            return
        yield items
        last = items[-1].number
        session.expunge_all()


def first_failures(session: Session, job_seq: int, limit: int) -> list[JobItem]:
    """Return the first rows of a job that have an error."""
    query = select(JobItem).where(JobItem.job_seq == job_seq, JobItem.finished.is_(True), JobItem.error != "")
    return list(session.scalars(query.order_by(JobItem.number).limit(limit)))
