"""How large the body of a request may be, and how long it may take to arrive."""

import asyncio
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import problem

# What takes files: the path tells, as the caller is free to declare any media type.
UPLOAD_PATHS = frozenset({"/v1/documents", "/v1/jobs"})


@dataclass(frozen=True)
class Limit:
    """How large a body may be, and how long it may take to arrive."""

    size: int
    seconds: float


class BodyLimit:
    """Refuses bodies that are larger than allowed, by their declared and by their real length, or arrive too slowly."""

    def __init__(self, app: ASGIApp, ordinary: Limit, upload: Limit) -> None:
        self._app = app
        self._ordinary = ordinary
        self._upload = upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what arrives."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        is_upload = scope["method"] == "POST" and scope["path"] in UPLOAD_PATHS
        limit = self._upload if is_upload else self._ordinary
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit.size:
            detail = f"请求内容超过 {limit.size // 1024} KB 的上限"
            await problem(Request(scope), 413, detail)(scope, receive, send)
            return
        received = 0
        deadline: float | None = asyncio.get_running_loop().time() + limit.seconds

        async def counted() -> Message:
            nonlocal received, deadline
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, headers={"Connection": "close"}) from error
            if not message.get("more_body", False):
                deadline = None  # what comes now is the end of the connection
            received += len(message.get("body", b""))
            if received > limit.size:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)
