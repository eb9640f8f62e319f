"""Reads uploads in a few threads of their own, for a limited time: they keep neither requests nor jobs waiting."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from screening.textfile import EncodingError
from service.documents.model import DocumentError, Limits
from service.problems import ProblemError
from service.runtime import Runtime

READERS = 4
MAX_WAITING = 16
RETRY_AFTER_S = "5"
# Parsers look at the clock themselves; who waits for one that is stuck inside a library leaves a little later.
PATIENCE_S = 5.0
Result = TypeVar("Result")

_threads = ThreadPoolExecutor(READERS, "reader")
_places = threading.BoundedSemaphore(READERS + MAX_WAITING)


def _limits(runtime: Runtime) -> Limits:
    settings = runtime.settings
    return Limits(
        pages=settings.max_pages,
        unpacked_bytes=settings.max_unpacked_bytes,
        pixels=settings.max_pixels,
        chars=settings.max_document_chars,
        rows=settings.max_rows,
        text_chars=settings.max_chars,
        deadline=time.monotonic() + settings.read_timeout,
    )


async def read(runtime: Runtime, parser: Callable[[Limits], Result]) -> Result:
    """Run a parser within the limits of the settings; raises ProblemError. One that is stuck keeps its thread."""
    if not _places.acquire(blocking=False):
        raise ProblemError(429, "正在读取的文件过多，请稍后再试", {"Retry-After": RETRY_AFTER_S})
    future = _threads.submit(parser, _limits(runtime))
    future.add_done_callback(lambda _: _places.release())
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), runtime.settings.read_timeout + PATIENCE_S)
    except TimeoutError as error:
        raise ProblemError(504, "读取文件超时，请拆分后分别提交") from error
    except EncodingError as error:
        raise ProblemError(415, str(error)) from error
    except DocumentError as error:
        raise ProblemError(error.status, str(error)) from error
