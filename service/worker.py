"""The inference worker: one thread that owns the model, and a bounded queue before it.

Requests that wait together are screened together. Requests of people and programs that wait for an answer go before
the chunks of jobs.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count

import structlog

from screening.errors import MingjianError
from screening.results import Screening
from screening.screener import Screener, TextError, TextInput

# What one pass of the model takes at most, so that a newcomer does not wait long behind it.
PASS_TEXTS = 64
PASS_CHARS = 6000
POLL_S = 0.2

log = structlog.get_logger()

Outcome = Screening | TextError


class QueueFullError(MingjianError):
    """Too many texts wait already."""


class WorkerDeadError(MingjianError):
    """The worker does not run."""


class Priority(IntEnum):
    """Who waits: somebody for an answer, or a job."""

    REQUEST = 0
    JOB = 1


@dataclass(order=True)
class _Task:
    """Texts that were handed in together, and the promise of their results."""

    priority: Priority
    number: int
    items: Sequence[TextInput] = field(compare=False)
    future: "Future[list[Outcome]]" = field(compare=False, default_factory=Future)

    @property
    def chars(self) -> int:
        return sum(len(item.text) for item in self.items)


class InferenceWorker:
    """Owns the screener; `submit` hands texts to it and returns a future of one outcome a text, in order."""

    def __init__(self, load: Callable[[], Screener], max_queue: int) -> None:
        self._load = load
        self._max_queue = max_queue
        self._tasks: queue.PriorityQueue[_Task] = queue.PriorityQueue()
        self._numbers = count()
        self._lock = threading.Lock()
        self._waiting = 0
        self._stopping = threading.Event()
        self._loaded = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self.screener: Screener | None = None
        self._in_hand: list[_Task] = []
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
        self._fail_waiting(WorkerDeadError("服务正在停止"))

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
        return self._waiting

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken for now."""
        return self._waiting >= self._max_queue

    def submit(self, items: Sequence[TextInput], priority: Priority = Priority.REQUEST) -> "Future[list[Outcome]]":
        """Hand texts in; raises QueueFullError or WorkerDeadError. A text that cannot be read has a TextError."""
        if not self.alive:
            raise WorkerDeadError("推理服务没有运行")
        with self._lock:
            if self._waiting and self._waiting + len(items) > self._max_queue:
                raise QueueFullError(f"排队已满：{self._waiting} 条正在等待")
            self._waiting += len(items)
        task = _Task(priority, next(self._numbers), items)
        self._tasks.put(task)
        if not self._thread.is_alive():
            self._fail_waiting(WorkerDeadError("推理服务没有运行"))
        return task.future

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
                if tasks := self._next_pass():
                    self._in_hand = tasks
                    self._pass_began = time.monotonic()
                    self._screen(tasks)
                    self._pass_began = None
        finally:
            for task in self._in_hand:
                if not task.future.done():
                    task.future.set_exception(WorkerDeadError("推理服务已停止"))
            self._fail_waiting(WorkerDeadError("推理服务已停止"))

    def _next_pass(self) -> list[_Task]:
        """Wait for work, and take what else waits as far as one pass holds it."""
        try:
            tasks = [self._tasks.get(timeout=POLL_S)]
        except queue.Empty:
            return []
        texts, chars = len(tasks[0].items), tasks[0].chars
        while texts < PASS_TEXTS and chars < PASS_CHARS:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                break
            if task.priority > tasks[0].priority:
                self._tasks.put(task)
                break
            tasks.append(task)
            texts, chars = texts + len(task.items), chars + task.chars
        return tasks

    def _screen(self, tasks: list[_Task]) -> None:
        live = [task for task in tasks if task.future.set_running_or_notify_cancel()]
        try:
            outcomes = iter(self._outcomes([item for task in live for item in task.items]))
            for task in live:
                task.future.set_result([next(outcomes) for _ in task.items])
        except Exception as error:
            log.error("screening failed", error=type(error).__name__)  # noqa: TRY400 - a trace may hold the text
            for task in live:
                self._screen_alone(task)
        finally:
            with self._lock:
                self._waiting -= sum(len(task.items) for task in tasks)

    def _screen_alone(self, task: _Task) -> None:
        """Screen one task by itself, so that another's failure does not become its own."""
        if task.future.done():
            return
        try:
            task.future.set_result(self._outcomes(task.items))
        except Exception as error:
            task.future.set_exception(error)

    def _outcomes(self, items: Sequence[TextInput]) -> list[Outcome]:
        """Screen the texts; those that cannot be read have their error in place of a result."""
        assert self.screener is not None  # noqa: S101 - the thread has loaded it
        try:
            return list(self.screener.screen(items))
        except TextError as error:
            if len(items) == 1:
                return [error]
            return [outcome for item in items for outcome in self._outcomes([item])]

    def _fail_waiting(self, error: MingjianError) -> None:
        while True:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                return
            with self._lock:
                self._waiting -= len(task.items)
            if task.future.set_running_or_notify_cancel():
                task.future.set_exception(error)
