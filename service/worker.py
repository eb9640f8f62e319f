"""The inference worker: one thread that owns the model, and a bounded queue before it.

Requests that wait together are screened together. Requests of people and programs that wait for an answer go before
the chunks of jobs. What is long is read a share at a time, and all that wait have their turn between its shares.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count, islice

import structlog

from screening.errors import MingjianError
from screening.screener import Screener, TextInput
from service.backlog import Backlog
from service.task import Priority, Share, Task

# What one pass of the model takes at most, so that a newcomer does not wait long behind it.
PASS_PIECES = 64
PASS_CHARS = 6000
POLL_S = 0.2

log = structlog.get_logger()


class WorkerDeadError(MingjianError):
    """The worker does not run."""


class InferenceWorker:
    """Owns the screener; `submit` hands texts to it."""

    def __init__(self, load: Callable[[], Screener], max_texts: int, max_chars: int) -> None:
        self._load = load
        # Jobs hand in one pass a chunk and wait for it: they cannot crowd the queue, and do not keep requests out.
        self._backlogs = {
            Priority.REQUEST: Backlog(max_texts, max_chars),
            Priority.JOB: Backlog(math.inf, math.inf),
        }
        self._tasks: queue.PriorityQueue[tuple[Priority, int, Task]] = queue.PriorityQueue()
        self._numbers = count()
        self._stopping = threading.Event()
        self._loaded = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self.screener: Screener | None = None
        self._in_hand: list[Task] = []
        self._pass_began: float | None = None

    def start(self) -> Screener:
        """Start the thread and wait until the model is loaded and has passed its self-check; raises its error."""
        self._thread.start()
        self._loaded.wait()
        if self._failure:
            raise self._failure
        assert self.screener is not None  # noqa: S101 - loaded, as nothing failed
        return self.screener

    def stop(self, grace: float) -> None:
        """Finish the pass in hand, fail what waits, and end the thread within `grace` seconds."""
        self._stopping.set()
        self._thread.join(grace)
        self._fail_all(WorkerDeadError("服务正在停止"))

    @property
    def alive(self) -> bool:
        """Whether the thread runs and takes new work."""
        return self._thread.is_alive() and not self._stopping.is_set()

    def answers_within(self, seconds: float) -> bool:
        """Tell whether the model is not stuck: the pass in hand, if any, has taken less than so many seconds."""
        began = self._pass_began
        return began is None or time.monotonic() - began < seconds

    @property
    def waiting(self) -> int:
        """How many texts wait or are being screened."""
        return sum(backlog.texts for backlog in self._backlogs.values())

    @property
    def is_full(self) -> bool:
        """Whether no more requests are taken for now."""
        return self._backlogs[Priority.REQUEST].is_full

    def submit(self, items: Sequence[TextInput], priority: Priority = Priority.REQUEST) -> Task:
        """Hand texts in; raises QueueFullError or WorkerDeadError. A text that cannot be read has a TextError."""
        if not self.alive:
            raise WorkerDeadError("推理服务没有运行")
        backlog = self._backlogs[priority]
        backlog.enter(items)
        task = Task(priority, items, backlog.leave)
        self._put(task)
        if not self._thread.is_alive():
            self._fail_all(WorkerDeadError("推理服务没有运行"))
        return task

    def _put(self, task: Task) -> None:
        """Let a task wait behind those of its priority."""
        self._tasks.put((task.priority, next(self._numbers), task))

    def _work(self) -> None:
        try:
            self.screener = self._load()
        except BaseException as error:
            self._failure = error
            return
        finally:
            self._loaded.set()
        try:
            while not self._stopping.is_set():
                if task := self._next(Priority.JOB, POLL_S):
                    self._pass_began = time.monotonic()
                    self._pass(self.screener, task)
                    self._pass_began = None
        finally:
            self._fail_all(WorkerDeadError("推理服务已停止"))

    def _next(self, least: Priority, wait: float) -> Task | None:
        """Take the next task that is still wanted, of this priority or above, into hand; None where none comes."""
        while True:
            try:
                place = self._tasks.get(timeout=wait) if wait else self._tasks.get_nowait()
            except queue.Empty:
                return None
            task = place[-1]
            if task.priority > least:
                self._tasks.put(place)
                return None
            if not task.future.cancelled():
                self._in_hand.append(task)
                return task
            task.abandon()

    def _pass(self, screener: Screener, first: Task) -> None:
        """Run the model once, on a share of the first task and of others while there is room for them."""
        shares: list[tuple[Task, Share]] = []
        chars, pieces = PASS_CHARS, PASS_PIECES
        task: Task | None = first
        while task:
            try:
                share = task.share(screener, chars, pieces)
            except Exception as error:
                self._fail(task, error)
            else:
                shares.append((task, share))
                chars -= sum(len(piece.normalised.text) for _, piece in share)
                pieces -= len(share)
            task = self._next(first.priority, 0) if chars > 0 and pieces > 0 else None
        self._judge_apart(screener, shares)
        for task in self._in_hand:
            if not task.finish():
                self._put(task)
        self._in_hand = []

    def _judge_apart(self, screener: Screener, shares: list[tuple[Task, Share]]) -> None:
        """Judge shares together; where that fails each alone, so that another's failure does not become its own."""
        try:
            judged = iter(screener.judge([piece for _, share in shares for _, piece in share]))
        except Exception as error:
            if len(shares) == 1:
                self._fail(shares[0][0], error)
                return
            for own in shares:
                self._judge_apart(screener, [own])
            return
        for task, share in shares:
            part = list(islice(judged, len(share)))
            try:
                task.take(screener, share, part)
            except Exception as error:
                self._fail(task, error)

    def _fail(self, task: Task, error: Exception) -> None:
        log.error("screening failed", error=type(error).__name__)  # no trace, which may hold the text
        self._in_hand.remove(task)
        task.fail(error)

    def _fail_all(self, error: MingjianError) -> None:
        while self._in_hand:
            self._in_hand.pop().fail(error)
        while True:
            try:
                *_, task = self._tasks.get_nowait()
            except queue.Empty:
                return
            task.fail(error)
