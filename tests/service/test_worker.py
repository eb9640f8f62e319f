"""The inference worker with the shipped model: what is long does not keep others waiting."""

import time
import uuid

import pytest

from screening.screener import MAX_CHARS, TextError, TextInput
from service.backlog import QueueFullError
from service.task import Priority
from service.worker import InferenceWorker
from tests.service.conftest import BAD, GOOD


@pytest.fixture
def worker(screener):
    own = InferenceWorker(lambda: screener, 512, 300_000)
    own.start()
    yield own
    own.stop(60)


def long_text(chars):
    return TextInput((uuid.uuid4().hex + "。" + GOOD * chars)[:chars], "clause")


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("items", [[long_text(60_000)], [long_text(20_000)] * 3, [long_text(500)] * 120])
def test_others_are_answered_between_the_shares_of_what_is_long(worker, priority, items):
    long = worker.submit(items, priority)
    for _ in range(2):
        (outcome,) = worker.submit([TextInput(BAD, "clause")]).future.result(60)
        assert outcome.findings
    assert not long.future.done()
    assert worker.answers_within(20)
    long.future.cancel()


def test_shares_make_the_same_outcomes_as_the_whole(worker, screener):
    items = [
        long_text(9_000),
        TextInput(BAD, "clause"),
        TextInput("  "),
        *[TextInput(f"{n}号{GOOD}") for n in range(80)],
    ]
    outcomes = worker.submit([*items, TextInput("长" * (MAX_CHARS + 1))]).future.result(120)
    assert isinstance(outcomes.pop(), TextError)
    for outcome, whole in zip(outcomes, screener.screen(items), strict=True):
        assert outcome.verdict == whole.verdict
        assert outcome.score == pytest.approx(whole.score, abs=0.1)
        assert [own.start for own in outcome.segments] == [own.start for own in whole.segments]
    assert worker.waiting == 0


def test_what_nobody_waits_for_is_read_no_further(worker):
    long = worker.submit([long_text(200_000)])
    long.future.cancel()
    end = time.monotonic() + 15
    while worker.waiting:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_requests_wait_up_to_so_many_characters_and_jobs_do_not_keep_them_out(worker):
    job = worker.submit([long_text(200_000)] * 3, Priority.JOB)
    assert not worker.is_full
    request = worker.submit([long_text(200_000)])
    with pytest.raises(QueueFullError):
        worker.submit([long_text(150_000)])
    other = worker.submit([long_text(90_000), long_text(10_000)])
    assert worker.is_full
    for task in (job, request, other):
        task.future.cancel()
