"""The durable workflows: a job is split into chunks, each a workflow of its own that one process at a time holds.

After a crash DBOS takes unfinished chunks up again; rows that were finished before are left alone, so that every row
has one result.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import NoReturn

import structlog
from dbos import DBOS, SetWorkflowID, WorkflowHandle, error
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from screening.results import Screening
from screening.screener import TextError, TextInput
from service.documents.model import DocumentError, Limits
from service.jobs.context import current
from service.jobs.webhook import send_page
from service.metrics import TEXTS
from service.reading import BrokenOffError
from service.records import document_text
from service.runtime import Runtime
from service.storage.audit import WEBHOOK, note
from service.storage.jobs import (
    UNFINISHED,
    JobState,
    Purpose,
    find_job,
    finish_items,
    input_of,
    next_file,
    note_error,
    set_state,
    take_text,
    waiting_items,
)
from service.storage.leads import outcomes_of_job
from service.storage.screenings import digest, find_answers, keep_answers
from service.task import Outcome, Priority
from service.worker import WorkerDeadError

CHUNK_ROWS = 512
# Rows screened and committed together: few, so that requests get in between, and little is done again after a crash.
PASS_ROWS = 32
# Documents read before they are screened together.
DOCUMENTS_AT_ONCE = 32
CHUNK_QUEUE = "mingjian-chunks"
JOB_QUEUE = "mingjian-jobs"
# Archives have queues of their own: what reads for an hour must not hold up the screening of others.
ARCHIVE_QUEUE = "mingjian-archives"
READING_QUEUE = "mingjian-readings"
DELIVERY_QUEUE = "mingjian-deliveries"
PATIENCE_S = 0.2
DELIVERY_PAGE = 100
DELIVERY_ATTEMPTS = 8

# A database that is away for two minutes ends no job; what is done again does no harm.
_step = DBOS.step(
    retries_allowed=True,
    max_attempts=8,
    interval_seconds=1,
    backoff_rate=2,
    should_retry=lambda failure: isinstance(failure, OperationalError | InterfaceError | TimeoutError),
)

log = structlog.get_logger()


def _screen(runtime: Runtime, items: list[TextInput]) -> list[Outcome]:
    """Screen rows; one on which the model fails has an error, and the others their results."""
    try:
        return _hand_in(runtime, items)
    except Exception as failure:
        if len(items) == 1:
            log.error("row failed", error=type(failure).__name__)  # noqa: TRY400 - a trace may quote the text
            return [TextError("筛查时出错，请单独核对这一条")]
        return [outcome for item in items for outcome in _screen(runtime, [item])]


def _hand_in(runtime: Runtime, items: list[TextInput]) -> list[Outcome]:
    """Have the worker screen rows."""
    try:
        return runtime.worker.submit(items, Priority.JOB).future.result()
    except WorkerDeadError:
        _leave_chunk("its model has died, or the process stops")


def _leave_chunk(why: str) -> NoReturn:
    """Leave the chunk unfinished for the next process: to raise here would end it as failed."""
    log.warning("leaving the chunk", reason=why)
    while True:
        time.sleep(PATIENCE_S)


def _document_text(runtime: Runtime, name: str, content: bytes) -> str:
    """Have a reader read a document; raises DocumentError.

    A reader that dies may have died of something else: it is tried twice.
    """
    has_died = False
    while True:
        try:
            return runtime.readers.read_for_job(document_text, name, content)
        except DocumentError as failure:
            if runtime.stopping:
                _leave_chunk("the process stops")
            if isinstance(failure, BrokenOffError) and not has_died:
                has_died = True
            elif failure.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        time.sleep(PATIENCE_S)


def read_document(runtime: Runtime, job_id: str, first: int, end: int) -> bool:
    """Read the first of the rows first:end of a job that is a document still to be read; tell whether there was one."""
    with runtime.database.session() as session:
        job = find_job(session, job_id)
        found = next_file(session, job.seq, first, end) if job else None
    if found is None:
        return False
    number, document = found
    read = document.read(partial(_document_text, runtime), Limits(text_chars=runtime.settings.max_chars))
    with runtime.database.session() as session:
        job = find_job(session, job_id)
        if job and job.state in UNFINISHED:
            take_text(session, job, number, read, runtime.settings.max_unpacked_bytes)
    return True


def screen_rows(runtime: Runtime, job_id: str, first: int, end: int) -> bool:
    """Screen and finish the unfinished rows first:end of a job; tell whether the job goes on."""
    with runtime.database.session() as session:
        job = find_job(session, job_id)
        if job is None or job.state in (JobState.CANCELLED, JobState.FAILED):
            return False
        inputs = {item.number: input_of(item) for item in waiting_items(session, job.seq, first, end)}
        digests = {number: digest(item, runtime.model_version) for number, item in inputs.items()}
        kept = find_answers(session, set(digests.values()))
    if not inputs:
        return True
    new = {digests[number]: item for number, item in inputs.items() if digests[number] not in kept}
    results = dict(zip(new, _screen(runtime, list(new.values())), strict=True)) if new else {}
    fresh = {key: (new[key], result) for key, result in results.items() if isinstance(result, Screening)}
    with runtime.database.session() as session:
        answers = {key: answer.seq for key, answer in kept.items()} | keep_answers(session, fresh)
        outcomes: dict[int, int | str] = {
            number: answers[key] if key in answers else str(results[key]) for number, key in digests.items()
        }
        finish_items(session, job, outcomes, runtime.model_version)
    verdicts = {key: answer.verdict for key, answer in kept.items()}
    verdicts |= {key: result.verdict.value for key, (_, result) in fresh.items()}
    for key in digests.values():
        TEXTS.labels("job", verdicts.get(key, "error")).inc()
    return True


@_step
def _plan(job_id: str, rows: int = CHUNK_ROWS) -> list[int]:
    """Return the first number of every chunk of a job that is about to run."""
    with current().database.session() as session:
        job = find_job(session, job_id)
        going = set_state(session, job_id, JobState.RUNNING)
        return list(range(0, job.total, rows)) if job and going else []


@_step
def _screen_chunk(job_id: str, first: int, rows: int) -> None:
    runtime = current()
    end = first + rows
    for start in range(first, end, PASS_ROWS):
        if not screen_rows(runtime, job_id, start, min(start + PASS_ROWS, end)):
            return


@_step
def _read_chunk(job_id: str, first: int) -> bool:
    runtime = current()
    while read_document(runtime, job_id, first, first + DOCUMENTS_AT_ONCE):
        pass
    with runtime.database.session() as session:
        job = find_job(session, job_id)
        return job is not None and job.state in UNFINISHED


@DBOS.workflow(name="read_chunk")
def read_chunk(job_id: str, first: int) -> bool:
    """Read the documents of a part of an archive; tell whether the job goes on."""
    return _read_chunk(job_id, first)


@DBOS.workflow(name="screen_chunk")
def screen_chunk(job_id: str, first: int, rows: int = CHUNK_ROWS) -> None:
    """Screen one chunk of a job."""
    _screen_chunk(job_id, first, rows)


@_step
def _finish(job_id: str) -> None:
    with current().database.session() as session:
        set_state(session, job_id, JobState.DONE)


@_step
def _fail(job_id: str) -> None:
    """End a job that cannot go on, unless it has ended; its finished rows keep their results."""
    with current().database.session() as session:
        set_state(session, job_id, JobState.FAILED, "任务中途出错，已完成的结果保留，请重新提交其余数据")


@_step
def _pages(job_id: str) -> int:
    """Return how many pages of results the job's leads make for the webhook; 0 where there is none to send to."""
    runtime = current()
    if not runtime.settings.webhook_url:
        return 0
    with runtime.database.session() as session:
        job = find_job(session, job_id)
        leads = job.total if job and job.purpose == Purpose.LEADS else 0
    return -(-leads // DELIVERY_PAGE)


@DBOS.step(retries_allowed=True, max_attempts=DELIVERY_ATTEMPTS, interval_seconds=2, backoff_rate=2)
def _deliver(job_id: str, page: int) -> None:
    runtime = current()
    with runtime.database.session() as session:
        outcomes = outcomes_of_job(session, job_id, page * DELIVERY_PAGE, DELIVERY_PAGE)
    if outcomes:  # a job that was cancelled or failed may have none
        send_page(runtime.settings, f"{job_id}.{page}", outcomes)
        with runtime.database.session() as session:
            note(session, WEBHOOK, "export_lead", *(outcome.lead.lead_id for outcome in outcomes))


@_step
def _note_undelivered(job_id: str, pages: int) -> None:
    with current().database.session() as session:
        said = f"{pages} 批结果回传失败（每批已尝试 {DELIVERY_ATTEMPTS} 次），请用 GET /v1/leads 取回"
        note_error(session, job_id, said)


@DBOS.workflow(name="deliver")
def deliver(job_id: str, pages: int) -> None:
    """Send the results of a job's leads to the webhook; apart from jobs, which must not wait for a dead receiver."""
    refused = 0
    for page in range(pages):
        try:
            _deliver(job_id, page)
        except error.DBOSMaxStepRetriesExceeded:
            refused += 1
    if refused:
        _note_undelivered(job_id, refused)


def _have_delivered(job_id: str) -> None:
    """Have the results of an ended job's leads, as far as there are any, sent to the webhook."""
    if pages := _pages(job_id):
        with SetWorkflowID(f"{job_id}.delivery"):
            DBOS.enqueue_workflow(DELIVERY_QUEUE, deliver, job_id, pages)


@contextmanager
def _ending(job_id: str) -> Iterator[None]:
    """End a job as done after what is within, or as failed where that raises."""
    try:
        yield
        _finish(job_id)
    except Exception as failure:  # a step that no retry could save, as when the database was away
        log.error("job failed", error=type(failure).__name__)  # noqa: TRY400 - a trace may quote a text
        _fail(job_id)


def _have_screened(job_id: str, first: int, rows: int = CHUNK_ROWS) -> WorkflowHandle[None]:
    with SetWorkflowID(f"{job_id}.{first}"):
        return DBOS.enqueue_workflow(CHUNK_QUEUE, screen_chunk, job_id, first, rows)


def _have_read(job_id: str, first: int) -> WorkflowHandle[bool]:
    with SetWorkflowID(f"{job_id}.{first}.reading"):
        return DBOS.enqueue_workflow(READING_QUEUE, read_chunk, job_id, first)


@DBOS.workflow(name="run_job")
def run_job(job_id: str) -> None:
    """Screen all chunks of a job, and have the results of leads that there are sent to the webhook."""
    with _ending(job_id):
        for handle in [_have_screened(job_id, first) for first in _plan(job_id)]:
            handle.get_result()
    _have_delivered(job_id)


@DBOS.workflow(name="run_archive")
def run_archive(job_id: str) -> None:
    """Read and screen the documents of an archive; the model has the first while others are read.

    Two parts are handed in at a time, so that the reader need not wait, and archives have their turns.
    """
    with _ending(job_id):
        parts = _plan(job_id, DOCUMENTS_AT_ONCE)
        readings = [_have_read(job_id, first) for first in parts[:2]]
        screenings = []
        for place, first in enumerate(parts):
            if not readings[place].get_result():
                break
            readings += [_have_read(job_id, later) for later in parts[place + 2 : place + 3]]
            screenings.append(_have_screened(job_id, first, DOCUMENTS_AT_ONCE))
        for handle in screenings:
            handle.get_result()


@DBOS.workflow(name="fail_job")
def fail_job(job_id: str) -> None:
    """End a job whose workflow has ended in error, as `run_job` would have."""
    _fail(job_id)
    _have_delivered(job_id)
