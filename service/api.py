"""The HTTP service, in its smallest form: one screening endpoint and a health check."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from screening.results import Screening
from screening.screener import MAX_CHARS, Screener, TextInput
from screening.taxonomy import Kind


class ScreeningRequest(BaseModel):
    """要筛查的文本及其来源、类别。"""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=MAX_CHARS, description="要筛查的文本")]
    kind: Annotated[
        Kind | None, Field(description="来源：ad 广告、clause 合同条款、product 商品信息；不知道时不填")
    ] = None
    category: Annotated[str, Field(max_length=100, description="商品或服务类别，如“普通食品”")] = ""


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.screener = await run_in_threadpool(Screener.load)
    yield


def create_app() -> FastAPI:
    """Make the application; the model loads when it starts."""
    app = FastAPI(title="明鉴", description="识别广告、格式条款和商品信息中的违法线索。", lifespan=_lifespan)

    @app.post("/v1/screenings", summary="筛查一段文本")
    def screen(request: Request, body: ScreeningRequest) -> Screening:
        screener: Screener = request.app.state.screener
        (result,) = screener.screen([TextInput(body.text, body.kind, body.category)])
        return result

    @app.get("/healthz", summary="服务是否可用")
    def health(request: Request) -> dict[str, str]:
        return {"status": "ok", "model_version": request.app.state.screener.version}

    return app
