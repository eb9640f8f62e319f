"""Turns requests away while too many texts wait, before they cost anything: health and answers in hand go before them.

They are told to come back after a while that differs from one to the next, so that they do not all come back at once.
"""

import asyncio
import random
import time

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problems import ProblemError, problem
from service.runtime import runtime_of

PATHS = frozenset({"/v1/screenings", "/v1/screenings/batch"})
RETRY_AFTER_S = range(2, 7)
# So many are turned away in one turn of the event loop: health has its turn in between.
TURNED_AWAY_AT_ONCE = 8
NOTE_EVERY_S = 1.0

log = structlog.get_logger()


def crowded() -> ProblemError:
    """Return the error of a request that finds the queue full."""
    wait = str(random.choice(RETRY_AFTER_S))  # noqa: S311 - no secret
    return ProblemError(429, "排队的文本过多，请稍后再试", {"Retry-After": wait})


class Crowd:
    """Answers 429 to texts without reading them while the queue is full, or as many requests are inside as it holds.

    Requests are counted at the door: of a thousand that come at once none has got to the queue yet, and it looks empty.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._inside = 0
        self._door = asyncio.Semaphore(TURNED_AWAY_AT_ONCE)
        self._turned_away = 0
        self._noted_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or turn it away."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if self._inside >= self._most or runtime_of(request).worker.is_full:
            request.state.turned_away_from = scope["path"]
            async with self._door:
                await asyncio.sleep(0)
                error = crowded()
                await problem(request, error.status, error.detail, error.headers)(scope, receive, send)
            self._note()
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1

    def _note(self) -> None:
        """Count one more that was turned away; the log gets their number now and then, not a line for each."""
        self._turned_away += 1
        if time.monotonic() - self._noted_at > NOTE_EVERY_S:
            log.warning("turned away", requests=self._turned_away)
            self._turned_away, self._noted_at = 0, time.monotonic()
