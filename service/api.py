"""The HTTP service: puts settings, runtime, security and routes together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from service import problems
from service.bodies import BodyLimit, Limit
from service.crowd import Crowd
from service.openapi import describe_with
from service.routes import documents, jobs, leads, screenings, system, webhooks
from service.runtime import Runtime
from service.security import Companion, Doorkeeper, Gate, LocalOnly
from service.settings import Settings, load_settings

DESCRIPTION = """读取广告、格式条款和商品信息，指出其中的违法线索：标签、显示线索的词句、法律依据、检查记录表的对应行。

线索供执法人员核查，不是认定。除 `/healthz`、`/readyz`、`/metrics` 外，请求须在 `Authorization: Bearer` 头中带接口密钥。
出错时返回 RFC 9457 格式的说明。
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; the model loads and jobs go on when it starts."""
    settings = settings or load_settings()
    settings.check()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime = Runtime(settings)
        app.state.runtime = runtime
        await run_in_threadpool(runtime.start)
        try:
            yield
        finally:
            await run_in_threadpool(runtime.stop)

    app: FastAPI = FastAPIOffline(
        title="明鉴",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        responses=problems.RESPONSES,
    )
    app.state.gate = Gate()
    for module in (screenings, documents, jobs, leads, system):
        app.include_router(module.router)
    app.webhooks.include_router(webhooks.router)
    problems.install(app)
    describe_with(app)
    app.add_middleware(
        BodyLimit,
        ordinary=Limit(settings.max_body_bytes, settings.body_timeout),
        upload=Limit(settings.max_upload_bytes, settings.upload_timeout),
    )
    app.add_middleware(Crowd, most=settings.max_queue)
    app.add_middleware(Doorkeeper)
    if settings.auth == "off":
        app.add_middleware(LocalOnly)
    app.add_middleware(Companion)
    return app
