"""Who may ask what: API keys, scopes, rate limits; and headers that every answer carries."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from service.fields import check_fields
from service.metrics import REQUEST_SECONDS, REQUESTS
from service.problems import ProblemError, problem
from service.runtime import runtime_of
from service.settings import LOOPBACK
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

    async def caller(self, request: Request) -> Caller:
        """Return who asks; raises ProblemError 401."""
        runtime = runtime_of(request)
        if runtime.settings.auth == "off":
            return LOCAL
        credentials = await _bearer(request)
        if credentials is None:
            raise ProblemError(401, "请在 Authorization 头中提供接口密钥", {"WWW-Authenticate": "Bearer"})
        secret = credentials.credentials
        remembered = self._known.get(secret)
        if remembered and time.monotonic() - remembered[0] < REMEMBER_S:
            return remembered[1]

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
    """Return the dependency of routes that need this scope; it lets through no fields that the route does not know."""

    # Depends has OpenAPI tell of the key, which the doorkeeper has checked.
    async def check(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
        caller: Caller = request.state.caller
        if scope not in caller.scopes:
            raise ProblemError(403, f"此密钥没有 {scope} 权限")
        gate: Gate = request.app.state.gate
        gate.count(caller, runtime_of(request).settings.rate_per_minute)
        await check_fields(request)
        return caller

    return check


MayScreen = Annotated[Caller, Depends(requires(Scope.SCREEN))]
MayRunJobs = Annotated[Caller, Depends(requires(Scope.JOBS))]
MayAdminister = Annotated[Caller, Depends(requires(Scope.ADMIN))]


class LocalOnly:
    """Where no key is asked for: refuses what a browser sends for other sites, whose names are in Host or Origin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass the request on if it is meant for this machine and comes from here."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = "//" + headers.get("Host", "")
            if not {_host_of(address) for address in (host, headers.get("Origin", host))} <= LOOPBACK:
                detail = "未启用接口密钥时，只接受本机发往 127.0.0.1 或 localhost 的请求"
                await problem(Request(scope), 403, detail)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


class Doorkeeper:
    """Asks for the key before the body is read, or the request counted: who has none holds nobody up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass the request on, with who sent it."""
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            request = Request(scope)
            gate: Gate = request.app.state.gate
            try:
                request.state.caller = await gate.caller(request)
            except ProblemError as error:
                await problem(request, error.status, error.detail, error.headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)


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
