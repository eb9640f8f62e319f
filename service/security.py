"""Who may ask what: API keys, scopes, rate limits; and headers that every answer carries."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import uuid4

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from service.metrics import REQUEST_SECONDS, REQUESTS
from service.problems import ProblemError, problem
from service.runtime import runtime_of
from service.storage.keys import Caller, Scope, recognise

REQUEST_ID = re.compile(r"[\w.-]{1,64}")
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        b"script-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    ),
)
LOCAL = Caller("本机", frozenset(Scope))
# A recognised key is remembered this long, so that a revoked one stops working soon.
REMEMBER_S = 5.0

log = structlog.get_logger()
_bearer = HTTPBearer(auto_error=False, description="接口密钥，由 mingjian keys create 生成", scheme_name="接口密钥")


class Gate:
    """Recognises callers and counts their requests."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._known: dict[str, tuple[float, Caller]] = {}

    async def caller(self, request: Request, secret: str | None) -> Caller:
        """Return who asks; raises ProblemError 401."""
        runtime = runtime_of(request)
        if runtime.settings.auth == "off":
            return LOCAL
        if not secret:
            raise ProblemError(401, "请在 Authorization 头中提供接口密钥", {"WWW-Authenticate": "Bearer"})
        at, caller = self._known.get(secret, (0.0, LOCAL))
        if time.monotonic() - at < REMEMBER_S:
            return caller

        def look_up() -> Caller | None:
            with runtime.database.session() as session:
                return recognise(session, secret)

        known = await runtime.database_call(look_up)
        if known is None:
            raise ProblemError(401, "接口密钥无效或已停用", {"WWW-Authenticate": "Bearer"})
        self._known = {k: v for k, v in self._known.items() if time.monotonic() - v[0] < REMEMBER_S}
        self._known[secret] = (time.monotonic(), known)
        return known

    def count(self, caller: Caller, per_minute: int) -> None:
        """Count a request; raises ProblemError 429 where there were too many."""
        limit = RateLimitItemPerMinute(per_minute)
        if not self._limiter.hit(limit, caller.name):
            reset = self._limiter.get_window_stats(limit, caller.name).reset_time
            wait = max(1, int(reset - time.time()) + 1)
            raise ProblemError(429, f"请求过于频繁，请 {wait} 秒后再试", {"Retry-After": str(wait)})


def requires(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency of routes that need this scope."""

    async def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        gate: Gate = request.app.state.gate
        caller = await gate.caller(request, credentials.credentials if credentials else None)
        if scope not in caller.scopes:
            raise ProblemError(403, f"此密钥没有 {scope} 权限")
        gate.count(caller, runtime_of(request).settings.rate_per_minute)
        return caller

    return check


MayScreen = Annotated[Caller, Depends(requires(Scope.SCREEN))]
MayRunJobs = Annotated[Caller, Depends(requires(Scope.JOBS))]
MayAdminister = Annotated[Caller, Depends(requires(Scope.ADMIN))]


class BodyLimit:
    """Refuses bodies that are larger than allowed, by their declared and by their real length."""

    def __init__(self, app: ASGIApp, ordinary: int, upload: int) -> None:
        self._app = app
        self._ordinary = ordinary
        self._upload = upload

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what arrives."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        is_upload = headers.get(b"content-type", b"").startswith(b"multipart/form-data")
        limit = self._upload if is_upload else self._ordinary
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            detail = f"请求内容超过 {limit // 1024} KB 的上限"
            await problem(Request(scope), 413, detail)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


class Companion:
    """Gives every request an id and every answer its headers, notes both in log and metrics, and answers failures.

    Neither texts nor traces (which may quote them) are noted.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("X-Request-ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in message["headers"]}
                added = [header for header in HEADERS if header[0] not in own]
                message["headers"] = [*message["headers"], *added, (b"x-request-id", request_id.encode())]
            await send(message)

        start = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, dressed)
            except Exception as error:
                log.error("request failed", error=type(error).__name__)  # noqa: TRY400 - a trace may quote the text
                if not status:
                    await problem(Request(scope), 500, "服务内部错误，已记录；请稍后重试")(scope, receive, dressed)
            seconds = time.perf_counter() - start
            turned_away_from = scope["state"].get("turned_away_from")
            path = turned_away_from or getattr(scope.get("route"), "path", "unknown")
            REQUESTS.labels(scope["method"], path, str(status)).inc()
            REQUEST_SECONDS.labels(path).observe(seconds)
            if not turned_away_from:  # the crowd has its own note
                log.info("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000))
