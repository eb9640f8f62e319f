"""Reads uploads in a few processes of their own, for a limited time and with limited memory.

Parsers are other people's code and uploads are hostile: what hangs, crashes or swells there is ended, and fails alone.
"""

import asyncio
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import structlog

from screening.textfile import EncodingError
from service.documents.model import DocumentError, Limits
from service.logs import set_up_logs
from service.problems import ProblemError
from service.settings import Settings

READERS = 2
MAX_WAITING = 16
RETRY_AFTER_S = "5"
# Parsers look at the clock themselves and say what is wrong; one that is stuck in a library is ended a little later.
PATIENCE_S = 5.0
DAMAGED = "文件已损坏，无法读取"
Result = TypeVar("Result")

log = structlog.get_logger()
_processes = multiprocessing.get_context("spawn")


def _serve(pipe: Connection, settings: Settings) -> None:
    """Run parsers, one after another, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the service's processes all at once
    set_up_logs(settings.log_format)
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - Windows has none

        resource.setrlimit(resource.RLIMIT_AS, (settings.max_reader_bytes, settings.max_reader_bytes))
    while True:
        try:
            parser, name, data, limits = pipe.recv()
        except EOFError:
            return
        answer: Any
        try:
            answer = parser(name, data, limits)
        except (DocumentError, EncodingError) as error:
            answer = error
        except MemoryError:
            answer = DocumentError("读取文件所需的内存过多", 413)
        except Exception as error:  # its trace, which may quote the file, would go to standard error
            log.warning("parser failed", error=type(error).__name__)
            answer = DocumentError(DAMAGED)
        pipe.send(answer)


class _Reader:
    """A process that runs parsers; it starts when first needed, and again after it had to be ended."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: BaseProcess | None = None
        self._pipe: Connection

    def _start(self) -> None:
        self._pipe, theirs = _processes.Pipe()
        self._process = _processes.Process(target=_serve, args=(theirs, self._settings), daemon=True, name="reader")
        self._process.start()
        theirs.close()

    def end(self) -> None:
        """End the process, whatever it does."""
        if self._process:
            self._process.kill()
            self._process.join()

    def run(self, parser: Callable[[str, bytes, Limits], Result], name: str, data: bytes, limits: Limits) -> Result:
        """Run a parser in the process; raises DocumentError or EncodingError."""
        limits.check_time()
        if self._process is None or not self._process.is_alive():
            self._start()
        try:
            self._pipe.send((parser, name, data, limits))
            if not self._pipe.poll(limits.deadline + PATIENCE_S - time.monotonic()):
                raise TimeoutError
            answer = self._pipe.recv()
        except (OSError, EOFError) as error:
            self.end()
            self._process = None
            if isinstance(error, TimeoutError):
                raise DocumentError("读取文件超时，请拆分后分别提交", 504) from error
            raise DocumentError(DAMAGED) from error
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


class Readers:
    """The processes that read uploads, and the queue before them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle = [_Reader(settings) for _ in range(READERS)]
        self._all = tuple(self._idle)
        self._threads = ThreadPoolExecutor(READERS, "reading")
        self._places = threading.BoundedSemaphore(READERS + MAX_WAITING)

    def _limits(self) -> Limits:
        settings = self._settings
        return Limits(
            pages=settings.max_pages,
            unpacked_bytes=settings.max_unpacked_bytes,
            pixels=settings.max_pixels,
            chars=settings.max_document_chars,
            rows=settings.max_rows,
            text_chars=settings.max_chars,
            deadline=time.monotonic() + settings.read_timeout,
        )

    def _run(self, parser: Callable[[str, bytes, Limits], Result], name: str, data: bytes, limits: Limits) -> Result:
        reader = self._idle.pop()  # as many threads as readers: one is always there
        try:
            return reader.run(parser, name, data, limits)
        finally:
            self._idle.append(reader)

    async def read(self, parser: Callable[[str, bytes, Limits], Result], name: str, data: bytes) -> Result:
        """Run a parser, a function of a module, within the limits of the settings; raises ProblemError."""
        if not self._places.acquire(blocking=False):
            raise ProblemError(429, "正在读取的文件过多，请稍后再试", {"Retry-After": RETRY_AFTER_S})
        future = self._threads.submit(self._run, parser, name, data, self._limits())
        future.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wrap_future(future)
        except EncodingError as error:
            raise ProblemError(415, str(error)) from error
        except DocumentError as error:
            raise ProblemError(error.status, str(error)) from error

    def stop(self) -> None:
        """End all reading."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for reader in self._all:
            reader.end()
