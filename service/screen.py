"""Screens what callers hand in: a text that was screened before has its kept answer, others go to the worker."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

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


def _unavailable(error: WorkerDeadError) -> ProblemError:
    return ProblemError(503, str(error), {"Retry-After": RETRY_AFTER_S})


def _kept(runtime: Runtime, digests: Sequence[str]) -> dict[str, tuple[int, Screening]]:
    """Return the kept answers among these digests: seq and result."""
    with runtime.database.session() as session:
        found = find_answers(session, set(digests))
    return {key: (answer.seq, Screening.model_validate_json(answer.result)) for key, answer in found.items()}


def _answers(
    part: Mapping[str, TextInput], outcomes: Sequence[Outcome | None]
) -> dict[str, tuple[TextInput, Screening]]:
    """Return the answers among the outcomes of texts, by digest."""
    return {
        key: (item, outcome)
        for (key, item), outcome in zip(part.items(), outcomes, strict=True)
        if isinstance(outcome, Screening)
    }


def _keep(runtime: Runtime, part: Mapping[str, TextInput], outcomes: Sequence[Outcome | None]) -> dict[str, int]:
    """Keep the answers among the outcomes of texts, by digest, and return their seq."""
    with runtime.database.session() as session:
        return keep_answers(session, _answers(part, outcomes))


async def _outcomes(runtime: Runtime, part: Mapping[str, TextInput], task: Task) -> list[Outcome]:
    """Wait for the outcomes of texts, given by digest; raises ProblemError 503 or 504."""
    try:
        # The future is cancelled where time is up: the worker reads no further.
        return await asyncio.wait_for(asyncio.wrap_future(task.future), runtime.settings.request_timeout)
    except WorkerDeadError as error:
        raise _unavailable(error) from error
    except TimeoutError as error:
        # Sent again, the same texts get further.
        await runtime.database_call(_keep, runtime, part, task.outcomes)
        raise ProblemError(504, "等待筛查超时，请稍后再试") from error


@dataclass
class _Screened:
    """What became of texts: their digests in order, and by digest the outcomes and the seqs of kept answers.

    Those of the `unkept` texts are still to be kept.
    """

    digests: list[str]
    outcomes: dict[str, Outcome]
    seqs: dict[str, int]
    unkept: Mapping[str, TextInput] = field(default_factory=dict)

    def keep(self, session: Session) -> None:
        """Keep what is still to be kept."""
        self.seqs |= keep_answers(session, _answers(self.unkept, [self.outcomes[key] for key in self.unkept]))

    def in_order(self) -> list[Outcome]:
        """Return the outcomes of the texts."""
        return [self.outcomes[key] for key in self.digests]


async def _screen(runtime: Runtime, items: Sequence[TextInput]) -> _Screened:
    """Have texts screened that have no kept answer; raises ProblemError 429, 503 or 504.

    The answers of each part but the last are kept while the model reads the next.
    """
    digests = [digest(item, runtime.model_version) for item in items]
    kept = await runtime.database_call(_kept, runtime, digests)
    KEPT.inc(sum(key in kept for key in digests))
    seqs = {key: seq for key, (seq, _) in kept.items()}
    screened = _Screened(digests, {key: result for key, (_, result) in kept.items()}, seqs)
    new = {key: item for key, item in zip(digests, items, strict=True) if key not in kept}
    # Texts of like length are read together, so that little is padded.
    ordered = sorted(new.items(), key=lambda own: len(own[1].text))
    parts = [dict(ordered[start : start + PART]) for start in range(0, len(ordered), PART)]
    if not parts:
        return screened
    try:
        tasks = runtime.worker.submit_parts([list(part.values()) for part in parts])
    except QueueFullError as error:
        raise crowded() from error
    except WorkerDeadError as error:
        raise _unavailable(error) from error
    screened.unkept = parts[-1]

    async def finish(part: Mapping[str, TextInput], task: Task) -> None:
        outcomes = await _outcomes(runtime, part, task)
        screened.outcomes |= zip(part, outcomes, strict=True)
        if part is not screened.unkept:
            screened.seqs |= await runtime.database_call(_keep, runtime, part, outcomes)

    # All are waited for, also where one fails: what the others found is kept.
    ends = await asyncio.gather(*map(finish, parts, tasks), return_exceptions=True)
    for failure in filter(None, ends):
        raise failure
    return screened


async def screen_parts(runtime: Runtime, items: Sequence[TextInput]) -> list[Screening]:
    """Screen parts of a document and keep their answers; raises TextError where one cannot be read."""
    screened = await _screen(runtime, items)

    def keep() -> None:
        with runtime.database.session() as session:
            screened.keep(session)

    await runtime.database_call(keep)
    results: list[Screening] = []
    for outcome in screened.in_order():
        if not isinstance(outcome, Screening):
            raise outcome
        results.append(outcome)
    return results


async def screen_requests(
    runtime: Runtime, actor: str, requests: Sequence[ScreeningRequest]
) -> list[ScreeningAnswer | TextError]:
    """Screen and keep texts; those that cannot be read have their error in place of an answer."""
    screened = await _screen(runtime, [request.item() for request in requests])

    def record() -> list[ScreeningAnswer | TextError]:
        with runtime.database.session() as session:
            screened.keep(session)
            good = [
                (request, screened.seqs[key])
                for request, key in zip(requests, screened.digests, strict=True)
                if key in screened.seqs
            ]
            records = add_records(session, actor, [seq for _, seq in good], [own.particulars() for own, _ in good])
            note(session, actor, "screen", *(own.id for own in records))
        following = iter(records)
        return [
            screening_answer(next(following), outcome, request.text) if isinstance(outcome, Screening) else outcome
            for request, outcome in zip(requests, screened.in_order(), strict=True)
        ]

    answers = await runtime.database_call(record)
    for answer in answers:
        TEXTS.labels("request", answer.verdict.value if isinstance(answer, ScreeningAnswer) else "error").inc()
    return answers
