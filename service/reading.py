"""Reads uploads in a few processes of their own, for a limited time and with limited memory.

Parsers are other people's code and uploads are hostile: what hangs, crashes or swells there is ended, and fails alone.
"""

import asyncio
import io
import math
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, BinaryIO, TypeVar

import structlog

from screening.textfile import EncodingError
from service.documents.model import DocumentError, Limits
from service.logs import set_up_logs
from service.problems import ProblemError
from service.records import Enclosed
from service.settings import Settings

READERS = 2
MAX_WAITING = 16
RETRY_AFTER_S = "5"
# Parsers look at the clock themselves and say what is wrong; one that is stuck in a library is ended a little later.
PATIENCE_S = 5.0
DAMAGED = "文件已损坏，无法读取"
LATE = "读取文件超时，请拆分后分别提交"
BROKEN_OFF = "读取文件时意外中断，文件可能过大或已损坏，请拆分后分别提交"
STOPPING = "服务正在停止，请稍后再试"
NO_READER = "暂时无法读取文件，请稍后再试"
PIECE_BYTES = 256 * 1024
ROWS_AT_ONCE = 1000
BYTES_AT_ONCE = 4 * 1024 * 1024
SEND_EVERY_S = 1.0
Result = TypeVar("Result")
Row = TypeVar("Row")

log = structlog.get_logger()
_processes = multiprocessing.get_context("spawn")


def _serve(pipe: Connection, settings: Settings) -> None:
    """Run parsers, one after another, until the other end of the pipe is closed."""
    # A terminal and systemd send these to the service's processes all at once: the service first lets reading finish.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    set_up_logs(settings.log_format)
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - Windows has none

        resource.setrlimit(resource.RLIMIT_AS, (settings.max_reader_bytes, settings.max_reader_bytes))
    while True:
        try:
            parser, name, limits = pipe.recv()
            pieces = list(iter(pipe.recv_bytes, b""))
        except EOFError:
            return
        end: Exception | None = None
        try:
            _answer(pipe, parser(name, _joined(pieces), limits))
        except (DocumentError, EncodingError) as error:
            end = error
        except MemoryError:
            end = DocumentError("读取文件所需的内存超过上限，请拆分后分别提交", 413)
        except Exception as error:  # its trace, which may quote the file, would go to standard error
            log.warning("parser failed", error=type(error).__name__)
            end = DocumentError(DAMAGED)
        pipe.send(end)


def _joined(pieces: list[bytes]) -> bytes:
    """Return the pieces as one, and let go of them: they would take as much memory again."""
    whole = b"".join(pieces)
    pieces.clear()
    return whole


def _answer(pipe: Connection, answer: Any) -> None:  # noqa: ANN401 - whatever a parser returns
    """Send what a parser returned: rows that it yields, in lists, or the one thing, in a list of its own.

    A row that took long goes out at once, with those before it: the service sees that reading goes on. Documents go
    out before they are many bytes together.
    """
    if not isinstance(answer, Iterator):
        pipe.send([answer])
        return
    rows: list[Any] = []
    size = 0
    sent = time.monotonic()
    for row in answer:
        rows.append(row)
        size += len(row.content) if isinstance(row, Enclosed) else 0
        if len(rows) == ROWS_AT_ONCE or size >= BYTES_AT_ONCE or time.monotonic() - sent >= SEND_EVERY_S:
            pipe.send(rows)
            rows = []
            size = 0
            sent = time.monotonic()
    if rows:
        pipe.send(rows)


def _only(answers: Iterator[list[Result]]) -> Result:
    """Return the one thing that comes, once the process has come to its end."""
    ((answer,),) = answers
    return answer


class BrokenOffError(DocumentError):
    """The process that read the document died, maybe of it."""


class _Reader:
    """A process that runs parsers; it starts when first needed, and again after it had to be ended."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: BaseProcess | None = None
        self._stopping = False
        self._pipe: Connection

    def _running(self) -> BaseProcess:
        """Return the process, started where none runs; raises DocumentError where none can be."""
        if self._process is None or not self._process.is_alive():
            try:
                self._pipe, theirs = _processes.Pipe()
                process = _processes.Process(target=_serve, args=(theirs, self._settings), daemon=True, name="reader")
                process.start()
            except OSError as error:  # no more processes, files or memory for now
                raise DocumentError(NO_READER, HTTPStatus.SERVICE_UNAVAILABLE) from error
            self._process = process
            theirs.close()
        return self._process

    def end(self) -> None:
        """End the process, whatever it does."""
        if self._process:
            self._process.kill()
            self._process.join()

    def stop(self) -> None:
        """End the process as the service stops."""
        self._stopping = True
        self.end()

    def _death(self, process: BaseProcess) -> DocumentError:
        """Say why the process died while it read: told to, maybe before it ignored SIGTERM, or by what it read."""
        if self._stopping or process.exitcode == -signal.SIGTERM:
            return DocumentError(STOPPING, HTTPStatus.SERVICE_UNAVAILABLE)
        return BrokenOffError(BROKEN_OFF)

    def run(
        self,
        parser: Callable[[str, bytes, Limits], Any],
        name: str,
        file: BinaryIO,
        limits: Limits,
        deadline: float,
    ) -> Generator[Any, None, None]:
        """Run a parser in the process; yield what comes, list by list. Raises DocumentError or EncodingError.

        It has to begin before the deadline, and each list to come by that of the limits and within the settings'
        `read_timeout` of when it was asked for.
        """
        if time.monotonic() > deadline:
            raise DocumentError(LATE, 504)
        process = self._running()
        try:
            self._send(parser, name, file, limits)
            while True:
                left = min(limits.deadline - time.monotonic(), self._settings.read_timeout)
                if not self._pipe.poll(left + PATIENCE_S):
                    raise TimeoutError
                answer = self._pipe.recv()
                if not isinstance(answer, list):
                    break
                yield answer
        except BaseException as error:  # as where nobody wants the rest: the process would still send it
            self.end()
            self._process = None
            if isinstance(error, TimeoutError):
                raise DocumentError(LATE, 504) from error
            if isinstance(error, OSError | EOFError):
                raise self._death(process) from error
            raise
        if answer is not None:
            raise answer

    def _send(self, parser: Callable[[str, bytes, Limits], Any], name: str, file: BinaryIO, limits: Limits) -> None:
        """Send what there is to do, and the file piece by piece: here it is never in memory as a whole."""
        self._pipe.send((parser, name, limits))
        for piece in iter(partial(file.read, PIECE_BYTES), b""):
            self._pipe.send_bytes(piece)
        self._pipe.send_bytes(b"")


class Readers:
    """The processes that read uploads, and the queue before them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle = [_Reader(settings) for _ in range(READERS)]
        self._all = tuple(self._idle)
        self._threads = ThreadPoolExecutor(READERS, "reading")
        self._places = threading.BoundedSemaphore(READERS + MAX_WAITING)
        self.stopped = False

    def _limits(self) -> Limits:
        settings = self._settings
        return Limits(
            pages=settings.max_pages,
            unpacked_bytes=settings.max_unpacked_bytes,
            file_bytes=settings.max_upload_bytes,
            pixels=settings.max_pixels,
            chars=settings.max_document_chars,
            rows=settings.max_rows,
            text_chars=settings.max_chars,
            deadline=time.monotonic() + settings.read_timeout,
        )

    def _run(
        self,
        parser: Callable[[str, bytes, Limits], Any],
        name: str,
        file: BinaryIO,
        limits: Limits,
        deadline: float,
        take: Callable[[Iterator[Any]], Result],
    ) -> Result:
        reader = self._idle.pop()  # as many threads as readers: one is always there
        try:
            with closing(reader.run(parser, name, file, limits, deadline)) as answers:
                return take(answers)
        finally:
            self._idle.append(reader)

    async def read(self, parser: Callable[[str, bytes, Limits], Result], name: str, file: BinaryIO) -> Result:
        """Run a parser, a function of a module, within the limits of the settings; raises ProblemError."""
        limits = self._limits()
        return await self._queue(partial(self._run, parser, name, file, limits, limits.deadline, _only))

    async def read_rows(
        self,
        parser: Callable[[str, bytes, Limits], Iterator[Row]],
        name: str,
        file: BinaryIO,
        take: Callable[[Iterator[list[Row]]], Result],
    ) -> Result:
        """Run a parser that yields rows, and beside the event loop `take` on them, in lists, as they come.

        The settings' `read_timeout` is for each list, not for the whole.
        Raises ProblemError, and what `take` raises, which has a DocumentError or EncodingError where reading fails.
        """
        limits = self._limits()
        # The parser waits while `take` keeps what came: by its own clock it would be late.
        timeless = replace(limits, deadline=math.inf)
        return await self._queue(partial(self._run, parser, name, file, timeless, limits.deadline, take))

    def read_for_job(self, parser: Callable[[str, bytes, Limits], Result], name: str, data: bytes) -> Result:
        """Run a parser when its turn comes, however late.

        Raises DocumentError, 503 where it can be tried again, here or, as the service stops, by the next process.
        """

        def work() -> Result:
            limits = self._limits()
            answer: Result = self._run(parser, name, io.BytesIO(data), limits, limits.deadline, _only)
            return answer

        try:
            return self._submit(work, lambda: None).result()
        except CancelledError as error:
            raise DocumentError(STOPPING, HTTPStatus.SERVICE_UNAVAILABLE) from error

    def _submit(self, work: Callable[[], Result], at_end: Callable[[], object]) -> Future[Result]:
        """Let a thread do the work, and call `at_end` when it is done or will not be."""
        try:
            future = self._threads.submit(work)
        except RuntimeError as error:  # no more is taken, or no thread can be started
            at_end()
            raise DocumentError(STOPPING if self.stopped else NO_READER, HTTPStatus.SERVICE_UNAVAILABLE) from error
        future.add_done_callback(lambda _: at_end())
        return future

    async def _queue(self, work: Callable[[], Result]) -> Result:
        if not self._places.acquire(blocking=False):
            raise ProblemError(429, "正在读取的文件过多，请稍后再试", {"Retry-After": RETRY_AFTER_S})
        try:
            return await asyncio.wrap_future(self._submit(work, self._places.release))
        except EncodingError as error:
            raise ProblemError(415, str(error)) from error
        except DocumentError as error:
            headers = {"Retry-After": RETRY_AFTER_S} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else None
            raise ProblemError(error.status, str(error), headers) from error

    def stop(self) -> None:
        """End all reading."""
        self.stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for reader in self._all:
            reader.stop()
