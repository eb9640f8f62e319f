"""Keeps jobs and their rows. A row is finished once, by whoever is first, and counted in that same transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ScalarSelect, delete, func, insert, select, text, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from screening.screener import TextInput
from service.records import TOO_MUCH_TEXT, Enclosed, Failure, Record, Row
from service.storage.database import Database
from service.storage.tables import HAS_ERROR, JobFile, JobItem, JobRecord, Lead, LeadResult, now

LEAD_LOCK = 728302
# The state of a job some of whose rows are still to be kept: it is neither run nor shown.
INCOMPLETE = "incomplete"
DELETE_ROWS = 5000


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
    ARCHIVE = "archive"
    LEADS = "leads"


FINAL = (JobState.DONE, JobState.CANCELLED, JobState.FAILED)
UNFINISHED = (JobState.QUEUED, JobState.RUNNING)


def begin_job(session: Session, actor: str, name: str, purpose: Purpose) -> JobRecord:
    """Keep a job whose rows are still to come; `queue_job` ends that."""
    job = JobRecord(actor=actor, name=name[:300], purpose=purpose.value, state=INCOMPLETE, total=0, failed=0)
    session.add(job)
    session.flush()
    return job


def add_rows(session: Session, job: JobRecord, rows: Sequence[Row]) -> None:
    """Keep the next rows of an incomplete job; bad rows are finished at once, with their error."""
    items = [
        {
            "job_seq": job.seq,
            "number": number,
            "row": row.row,
            "item_id": row.id[:200],
            "text": "" if isinstance(row, Failure) else row.item.text,
            "kind": None if isinstance(row, Failure) else row.item.kind,
            "category": "" if isinstance(row, Failure) else row.item.category,
            "finished": isinstance(row, Failure),
            "error": row.error[:500] if isinstance(row, Failure) else "",
        }
        for number, row in enumerate(rows, job.total)
    ]
    files = [
        {"job_seq": job.seq, "number": number, "name": row.name, "content": row.content}
        for number, row in enumerate(rows, job.total)
        if isinstance(row, Enclosed)
    ]
    session.add(job)  # the session that began the job may have ended
    if items:
        session.execute(insert(JobItem), items)
    if files:
        session.execute(insert(JobFile), files)
    job.total += len(rows)
    job.failed += sum(isinstance(row, Failure) for row in rows)


def queue_job(session: Session, job: JobRecord) -> None:
    """Show an incomplete job, and let it be run: all its rows are kept."""
    session.add(job)
    job.state = JobState.QUEUED.value


def create_job(
    session: Session, actor: str, name: str, purpose: Purpose, rows: Sequence[Record | Failure]
) -> JobRecord:
    """Keep a job and its rows in one transaction, which makes others wait: for few rows."""
    job = begin_job(session, actor, name, purpose)
    add_rows(session, job, rows)
    queue_job(session, job)
    return job


def incomplete_jobs(session: Session, before: datetime) -> list[str]:
    """Return the ids of jobs that were begun before a time, and still are incomplete."""
    query = select(JobRecord.id).where(JobRecord.state == INCOMPLETE, JobRecord.created_at < before)
    return list(session.scalars(query))


def _remove_some(session: Session, job_id: str) -> bool:
    """Remove some rows of an incomplete job, and the job itself once it has none; tell whether more is left.

    Little is removed at a time, as others wait for the transaction.
    """
    job = session.scalar(select(JobRecord).where(JobRecord.id == job_id, JobRecord.state == INCOMPLETE))
    if job is None:
        return False
    first = session.scalar(select(func.min(JobItem.number)).where(JobItem.job_seq == job.seq))
    if first is None:
        session.delete(job)
        return False
    for table in (JobFile, JobItem):
        session.execute(delete(table).where(table.job_seq == job.seq, table.number < first + DELETE_ROWS))
    return True


def remove_job(database: Database, job_id: str) -> None:
    """Remove an incomplete job with its rows."""
    more = True
    while more:
        with database.session() as session:
            more = _remove_some(session, job_id)


def find_job(session: Session, job_id: str) -> JobRecord | None:
    """Return a job by its id, unless it is incomplete."""
    return session.scalar(select(JobRecord).where(JobRecord.id == job_id, JobRecord.state != INCOMPLETE))


def list_jobs(session: Session, before: int | None, limit: int) -> list[JobRecord]:
    """Return up to `limit` jobs, the newest first, older than the cursor `before` (a seq)."""
    query = select(JobRecord).where(JobRecord.state != INCOMPLETE).order_by(JobRecord.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(JobRecord.seq < before)
    return list(session.scalars(query))


def unfinished_jobs(session: Session) -> list[str]:
    """Return the ids of jobs that are queued or running."""
    states = [state.value for state in UNFINISHED]
    return list(session.scalars(select(JobRecord.id).where(JobRecord.state.in_(states)).order_by(JobRecord.seq)))


def set_state(session: Session, job_id: str, state: JobState, error: str = "") -> bool:
    """Move a job on, unless it has ended; tell whether it moved."""
    values: dict[str, object] = {"state": state.value, "error": error[:500]}
    if state is JobState.RUNNING:
        values["started_at"] = func.coalesce(JobRecord.started_at, now())
    if state in FINAL:
        values["finished_at"] = now()
    states = [own.value for own in UNFINISHED]
    statement = update(JobRecord).where(JobRecord.id == job_id, JobRecord.state.in_(states)).values(**values)
    result = session.execute(statement)
    assert isinstance(result, CursorResult)  # noqa: S101 - an update has a row count
    if result.rowcount and state in (JobState.CANCELLED, JobState.FAILED):
        session.execute(delete(JobFile).where(JobFile.job_seq == _seq_of(job_id)))
        _give_up_leads(session, job_id)
    return bool(result.rowcount)


def _seq_of(job_id: str) -> ScalarSelect[int]:
    return select(JobRecord.seq).where(JobRecord.id == job_id).scalar_subquery()


def _give_up_leads(session: Session, job_id: str) -> None:
    """Forget the leads of a job that have no outcome and will have none, so that they can be sent in again."""
    _lock_leads(session)
    session.execute(delete(Lead).where(Lead.job_seq == _seq_of(job_id), Lead.seq.not_in(select(LeadResult.lead_seq))))


def next_file(session: Session, job_seq: int, first: int, end: int) -> tuple[int, Enclosed] | None:
    """Return the first document among the rows first:end of a job that is still to be read, with its number."""
    query = (
        select(JobFile, JobItem)
        .join(JobItem, (JobItem.job_seq == JobFile.job_seq) & (JobItem.number == JobFile.number))
        .where(JobFile.job_seq == job_seq, JobFile.number >= first, JobFile.number < end)
    )
    found = session.execute(query.order_by(JobFile.number).limit(1)).first()
    if found is None:
        return None
    file, item = found
    return file.number, Enclosed(item.item_id, item.row, file.name, file.content, input_of(item))


def take_text(session: Session, job: JobRecord, number: int, read: Record | Failure, most_chars: int) -> None:
    """Keep what a row's document says, or finish the row with what is wrong with it; the document itself goes.

    The documents of a job may have `most_chars` together.
    """
    if isinstance(read, Record) and job.chars_read + len(read.item.text) > most_chars:
        read = Failure(read.id, read.row, f"{read.id}：{TOO_MUCH_TEXT}")
    if isinstance(read, Failure):
        finish_items(session, job, {number: read.error})
    else:
        own = (JobItem.job_seq == job.seq, JobItem.number == number, JobItem.finished.is_(False))
        session.execute(update(JobItem).where(*own).values(text=read.item.text))
        more = JobRecord.chars_read + len(read.item.text)
        session.execute(update(JobRecord).where(JobRecord.seq == job.seq).values(chars_read=more))
    session.execute(delete(JobFile).where(JobFile.job_seq == job.seq, JobFile.number == number))


def waiting_items(session: Session, job_seq: int, first: int, end: int) -> list[JobItem]:
    """Return the unfinished rows of a job with numbers first:end, but those whose document is still to be read."""
    unread = select(JobFile.number).where(JobFile.job_seq == job_seq, JobFile.number >= first, JobFile.number < end)
    query = select(JobItem).where(
        JobItem.job_seq == job_seq,
        JobItem.number >= first,
        JobItem.number < end,
        JobItem.finished.is_(False),
        JobItem.number.not_in(unread),
    )
    return list(session.scalars(query.order_by(JobItem.number)))


def input_of(item: JobItem) -> TextInput:
    """Return what the screener reads of a row."""
    kind = item.kind if item.kind in ("ad", "clause", "product") else None
    return TextInput(item.text, kind, item.category)  # type: ignore[arg-type]


def finish_items(
    session: Session, job: JobRecord, outcomes: Mapping[int, int | str], model_version: str | None = None
) -> None:
    """Finish rows, by number, with their answer's seq or their error; rows finished before stay as they are.

    `model_version` is that of the model which gave the outcomes.
    """
    done = failed = 0
    for number, outcome in outcomes.items():
        values: dict[str, object] = {"error": outcome[:500]} if isinstance(outcome, str) else {"answer_seq": outcome}
        own = (JobItem.job_seq == job.seq, JobItem.number == number, JobItem.finished.is_(False))
        result = session.execute(update(JobItem).where(*own).values(finished=True, **values))
        assert isinstance(result, CursorResult)  # noqa: S101 - an update has a row count
        if result.rowcount:
            done += not isinstance(outcome, str)
            failed += isinstance(outcome, str)
    counted: dict[str, object] = {"done": JobRecord.done + done, "failed": JobRecord.failed + failed}
    if model_version is not None:
        counted["model_version"] = model_version
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
    """Note with a job that has ended what went wrong after, behind what went wrong before."""
    job = find_job(session, job_id)
    if job:
        job.error = "；".join(own for own in (job.error, error) if own)[:500]


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


def first_failures(session: Session, job: JobRecord, limit: int) -> list[JobItem]:
    """Return the first rows of a job that have an error, at most `limit`."""
    if not job.failed:
        return []
    query = select(JobItem).where(JobItem.job_seq == job.seq, HAS_ERROR)
    return list(session.scalars(query.order_by(JobItem.number).limit(limit)))
