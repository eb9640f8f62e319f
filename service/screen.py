"""Screens what callers hand in: a text that was screened before has its kept answer, others go to the worker."""

import asyncio
from collections.abc import Mapping, Sequence

from screening.results import Screening
from screening.screener import TextError, TextInput
from service.backlog import QueueFullError
from service.crowd import crowded
from service.metrics import KEPT, TEXTS
from service.problems import ProblemError
from service.runtime import Runtime
from service.schemas.screenings import ScreeningAnswer, ScreeningRequest, screening_answer
from service.storage.audit import note
from service.storage.screenings import add_records, digest, find_answers, keep_answers
from service.task import Outcome, Task
from service.worker import PASS_PIECES, WorkerDeadError

RETRY_AFTER_S = "2"


# A batch is read in parts of one pass of the model, so that the answers of one are kept while the model reads the next.
PART = PASS_PIECES


class LateError(ProblemError):
    """Not all texts were screened in time: 504. `outcomes` has those that were, None in place of the others."""

    def __init__(self, outcomes: Sequence[Outcome | None]) -> None:
        super().__init__(504, "等待筛查超时，请稍后再试")
        self.outcomes = outcomes


async def _outcomes(runtime: Runtime, task: Task) -> list[Outcome]:
    """Wait for a task of the worker; raises ProblemError 503, or LateError."""
    try:
        # The future is cancelled where time is up: the worker reads no further.
        return await asyncio.wait_for(asyncio.wrap_future(task.future), runtime.settings.request_timeout)
    except WorkerDeadError as error:
        raise _unavailable(error) from error
    except TimeoutError as error:
        raise LateError(task.outcomes) from error


def _unavailable(error: WorkerDeadError) -> ProblemError:
    return ProblemError(503, str(error), {"Retry-After": RETRY_AFTER_S})


def _kept(runtime: Runtime, digests: Sequence[str]) -> dict[str, tuple[int, Screening]]:
    """Return the kept answers among these digests: seq and result."""
    with runtime.database.session() as session:
        found = find_answers(session, set(digests))
    return {key: (answer.seq, Screening.model_validate_json(answer.result)) for key, answer in found.items()}


def _keep(runtime: Runtime, part: Mapping[str, TextInput], outcomes: Sequence[Outcome | None]) -> dict[str, int]:
    """Keep the answers among the outcomes of texts, by digest, and return their seq."""
    answers = {
        key: (item, outcome)
        for (key, item), outcome in zip(part.items(), outcomes, strict=True)
        if isinstance(outcome, Screening)
    }
    with runtime.database.session() as session:
        return keep_answers(session, answers)


async def _screen_part(
    runtime: Runtime, part: Mapping[str, TextInput], task: Task
) -> tuple[dict[str, Outcome], dict[str, int]]:
    """Wait for the outcomes of texts, given by digest, and keep the answers among them: outcomes and seqs by digest."""
    try:
        outcomes = await _outcomes(runtime, task)
    except LateError as late:
        # Sent again, the same texts get further.
        await runtime.database_call(_keep, runtime, part, late.outcomes)
        raise
    seqs = await runtime.database_call(_keep, runtime, part, outcomes)
    return dict(zip(part, outcomes, strict=True)), seqs


async def _screen(runtime: Runtime, items: Sequence[TextInput]) -> tuple[list[Outcome], list[int | None]]:
    """Return the outcomes of texts, and the seqs of their kept answers, None where a text cannot be read."""
    digests = [digest(item, runtime.model_version) for item in items]
    kept = await runtime.database_call(_kept, runtime, digests)
    KEPT.inc(sum(key in kept for key in digests))
    results: dict[str, Outcome] = {key: result for key, (_, result) in kept.items()}
    seqs = {key: seq for key, (seq, _) in kept.items()}
    new = {key: item for key, item in zip(digests, items, strict=True) if key not in kept}
    # Texts of like length are read together, so that little is padded.
    ordered = sorted(new.items(), key=lambda own: len(own[1].text))
    parts = [dict(ordered[start : start + PART]) for start in range(0, len(ordered), PART)]
    try:
        tasks = runtime.worker.submit_parts([list(part.values()) for part in parts])
    except QueueFullError as error:
        raise crowded() from error
    except WorkerDeadError as error:
        raise _unavailable(error) from error
    waiting = [_screen_part(runtime, part, task) for part, task in zip(parts, tasks, strict=True)]
    for done in await asyncio.gather(*waiting, return_exceptions=True):
        if isinstance(done, BaseException):
            raise done
        results |= done[0]
        seqs |= done[1]
    return [results[key] for key in digests], [seqs.get(key) for key in digests]


async def screen_parts(runtime: Runtime, items: Sequence[TextInput]) -> list[Screening]:
    """Screen parts of a document and keep their answers; raises TextError where one cannot be read."""
    results: list[Screening] = []
    for outcome in (await _screen(runtime, items))[0]:
        if not isinstance(outcome, Screening):
            raise outcome
        results.append(outcome)
    return results


async def screen_requests(
    runtime: Runtime, actor: str, requests: Sequence[ScreeningRequest]
) -> list[ScreeningAnswer | TextError]:
    """Screen and keep texts; those that cannot be read have their error in place of an answer."""
    outcomes, seqs = await _screen(runtime, [request.item() for request in requests])

    def record() -> list[ScreeningAnswer | TextError]:
        good = [(request, seq) for request, seq in zip(requests, seqs, strict=True) if seq is not None]
        with runtime.database.session() as session:
            records = add_records(session, actor, [seq for _, seq in good], [own.particulars() for own, _ in good])
            note(session, actor, "screen", *(own.id for own in records))
        following = iter(records)
        return [
            screening_answer(next(following), outcome, request.text) if isinstance(outcome, Screening) else outcome
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    answers = await runtime.database_call(record)
    for answer in answers:
        TEXTS.labels("request", answer.verdict.value if isinstance(answer, ScreeningAnswer) else "error").inc()
    return answers
