"""Turns requests away while too many texts wait, before they cost anything: health and answers in hand go before them.

They are told to come back after a while that differs from one to the next, so that they do not all come back at once.
"""

import random

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problems import ProblemError, problem
from service.runtime import runtime_of

PATHS = frozenset({"/v1/screenings", "/v1/screenings/batch"})
RETRY_AFTER_S = range(2, 7)


def crowded() -> ProblemError:
    """Return the error of a request that finds the queue full."""
    wait = str(random.choice(RETRY_AFTER_S))  # noqa: S311 - no secret
    return ProblemError(429, "排队的文本过多，请稍后再试", {"Retry-After": wait})


class Crowd:
    """Answers 429 to texts while the queue is full, without reading them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or turn it away."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in PATHS:
            request = Request(scope)
            if runtime_of(request).worker.is_full:
                error = crowded()
                await problem(request, error.status, error.detail, error.headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)
