"""What the service is and how it fares: labels, model, health, metrics, audit log."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from screening.taxonomy import Label
from service.cursors import decode_cursor, page_of
from service.metrics import REGISTRY, WAITING, WORKER_UP
from service.problems import Problem, problem
from service.runtime import runtime_of
from service.schemas.common import Cursor
from service.schemas.system import AuditPage, Health, ModelInfo, audit_item
from service.security import MayAdminister, MayScreen
from service.storage.audit import list_entries

router = APIRouter(tags=["服务"])


@router.get("/v1/labels", summary="标签体系")
async def labels(request: Request, caller: MayScreen) -> list[Label]:
    """返回全部标签：名称、说明、法律依据、检查记录表与统计表的对应行、主管科室、整改建议。"""
    del caller
    return list(runtime_of(request).taxonomy.labels)


@router.get("/v1/models", summary="在用的模型")
async def models(request: Request, caller: MayScreen) -> ModelInfo:
    """返回在用模型的版本和来历。"""
    del caller
    screener = runtime_of(request).worker.screener
    assert screener is not None  # noqa: S101 - the application starts once the model is loaded
    manifest = screener.artifact.manifest
    return ModelInfo(
        version=manifest.version,
        created=manifest.created,
        base=manifest.base,
        data_version=manifest.data_version,
        labels=len(manifest.labels),
    )


@router.get("/v1/audit", summary="操作记录")
async def audit(
    request: Request,
    caller: MayAdminister,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500, description="每页条数")] = 100,
) -> AuditPage:
    """返回谁在何时做了什么，新的在前。"""
    del caller
    runtime = runtime_of(request)
    before = decode_cursor(cursor)

    def read() -> AuditPage:
        with runtime.database.session() as session:
            entries, more = page_of(list_entries(session, before, limit + 1), limit)
            return AuditPage(items=[audit_item(entry) for entry in entries], next_cursor=more)

    return await runtime.database_call(read)


@router.get("/healthz", summary="进程是否存活")
async def healthz(request: Request) -> Health:
    """进程能应答即为 ok。"""
    return Health(status="ok", model_version=runtime_of(request).model_version)


@router.get(
    "/readyz",
    summary="能否提供服务",
    response_model=Health,
    responses={503: {"model": Problem, "description": "不能提供服务"}},
)
async def readyz(request: Request) -> Health | JSONResponse:
    """推理服务在运行、数据库可写、任务服务在运行，才返回 200。"""
    runtime = runtime_of(request)
    faults = runtime.faults()
    if faults:
        return problem(request, 503, "；".join(faults))
    return Health(status="ok", model_version=runtime.model_version)


@router.get("/metrics", summary="Prometheus 指标", response_class=Response)
async def metrics(request: Request) -> Response:
    """返回 Prometheus 文本格式的指标。"""
    worker = runtime_of(request).worker
    WAITING.set(worker.waiting)
    WORKER_UP.set(worker.alive)
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
