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
from service.task import Outcome
from service.worker import WorkerDeadError

RETRY_AFTER_S = "2"


class LateError(ProblemError):
    """Not all texts were screened in time: 504. `outcomes` has those that were, None in place of the others."""

    def __init__(self, outcomes: Sequence[Outcome | None]) -> None:
        super().__init__(504, "等待筛查超时，请稍后再试")
        self.outcomes = outcomes


async def run_worker(runtime: Runtime, items: Sequence[TextInput]) -> list[Outcome]:
    """Have the worker screen texts; raises ProblemError 429 or 503, or LateError."""
    try:
        task = runtime.worker.submit(items)
        # The future is cancelled where time is up: the worker reads no further.
        return await asyncio.wait_for(asyncio.wrap_future(task.future), runtime.settings.request_timeout)
    except QueueFullError as error:
        raise crowded() from error
    except WorkerDeadError as error:
        raise ProblemError(503, str(error), {"Retry-After": RETRY_AFTER_S}) from error
    except TimeoutError as error:
        raise LateError(task.outcomes) from error


def _kept(runtime: Runtime, digests: Sequence[str]) -> dict[str, tuple[int, Screening]]:
    """Return the kept answers among these digests: seq and result."""
    with runtime.database.session() as session:
        found = find_answers(session, set(digests))
    return {key: (answer.seq, Screening.model_validate_json(answer.result)) for key, answer in found.items()}


def _keep(runtime: Runtime, results: Mapping[str, tuple[TextInput, Screening]]) -> None:
    with runtime.database.session() as session:
        keep_answers(session, results)


async def _look_up(
    runtime: Runtime, items: Sequence[TextInput]
) -> tuple[list[str], dict[str, tuple[int, Screening]], dict[str, TextInput]]:
    """Return the digests of items, the kept answers, and by digest the items that have none."""
    digests = [digest(item, runtime.model_version) for item in items]
    kept = await runtime.database_call(_kept, runtime, digests)
    KEPT.inc(sum(key in kept for key in digests))
    return digests, kept, {key: item for key, item in zip(digests, items, strict=True) if key not in kept}


async def screen_parts(runtime: Runtime, items: Sequence[TextInput]) -> list[Screening]:
    """Screen parts of a document and keep their answers; raises TextError where one cannot be read."""
    digests, kept, new = await _look_up(runtime, items)
    results = {key: result for key, (_, result) in kept.items()}
    if new:
        for key, outcome in zip(new, await run_worker(runtime, list(new.values())), strict=True):
            if not isinstance(outcome, Screening):
                raise outcome
            results[key] = outcome
        await runtime.database_call(_keep, runtime, {key: (item, results[key]) for key, item in new.items()})
    return [results[key] for key in digests]


async def screen_requests(
    runtime: Runtime, actor: str, requests: Sequence[ScreeningRequest]
) -> list[ScreeningAnswer | TextError]:
    """Screen and keep texts; those that cannot be read have their error in place of an answer."""
    items = [request.item() for request in requests]
    digests, kept, new = await _look_up(runtime, items)
    results: dict[str, Outcome] = {key: result for key, (_, result) in kept.items()}
    if new:
        try:
            results |= zip(new, await run_worker(runtime, list(new.values())), strict=True)
        except LateError as late:
            # Sent again, the same texts get further.
            found = zip(new.items(), late.outcomes, strict=True)
            done = {key: (item, outcome) for (key, item), outcome in found if isinstance(outcome, Screening)}
            await runtime.database_call(_keep, runtime, done)
            raise

    def keep() -> list[ScreeningAnswer | TextError]:
        fresh = {key: (item, result) for key, item in new.items() if isinstance(result := results[key], Screening)}
        outcomes = [results[key] for key in digests]
        good = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Screening)]
        with runtime.database.session() as session:
            seqs = keep_answers(session, fresh) | {key: seq for key, (seq, _) in kept.items()}
            records = add_records(
                session,
                actor,
                [seqs[digests[place]] for place in good],
                [requests[place].particulars() for place in good],
            )
            note(session, actor, "screen", *(record.id for record in records))
        by_place = dict(zip(good, records, strict=True))
        return [
            screening_answer(by_place[place], outcome, items[place].text) if isinstance(outcome, Screening) else outcome
            for place, outcome in enumerate(outcomes)
        ]

    answers = await runtime.database_call(keep)
    for answer in answers:
        TEXTS.labels("request", answer.verdict.value if isinstance(answer, ScreeningAnswer) else "error").inc()
    return answers
