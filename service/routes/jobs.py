"""Batch screening in the background: hand in, watch, cancel, take the results."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import IO, Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from screening.taxonomy import Kind
from service.cursors import decode_cursor, page_of
from service.documents.parse import safe_name
from service.exports import MEDIA_TYPES, write_results
from service.problems import NOT_FOUND, ProblemError
from service.records import Failure, Row, hinted, read_upload
from service.runtime import Runtime, database_faults, runtime_of
from service.schemas.common import MAX_CATEGORY, AskedKind, Cursor, Id, Printable
from service.schemas.jobs import JobAnswer, JobPage, job_answer
from service.security import MayRunJobs
from service.storage.audit import note
from service.storage.jobs import (
    FINAL,
    JobState,
    Purpose,
    add_rows,
    begin_job,
    find_job,
    first_failures,
    iterate_items,
    list_jobs,
    queue_job,
    remove_job,
    set_state,
)
from service.storage.tables import JobRecord

router = APIRouter(prefix="/v1/jobs", tags=["批量任务"])

LISTED_FAILURES = 100
EVENT_EVERY_S = 1.0
PIECE = 64 * 1024


def _hinted(rows: list[Row], kind: Kind | None, category: str) -> list[Row]:
    """Return rows with kind and category where they name none."""
    return [row if isinstance(row, Failure) else replace(row, item=hinted(row.item, kind, category)) for row in rows]


def _create(
    runtime: Runtime, actor: str, name: str, kind: Kind | None, category: str, chunks: Iterator[list[Row]]
) -> str:
    """Keep rows as they come, and queue the job once all are kept; return its id. What fails leaves no job.

    Kind and category are for the rows that name none.
    Each chunk has its own transaction: others, who on SQLite wait for it, get in between.
    """
    job: JobRecord | None = None
    purpose = Purpose.ARCHIVE if name.lower().endswith(".zip") else Purpose.UPLOAD
    try:
        for rows in chunks:
            with runtime.database.session() as session:
                job = job or begin_job(session, actor, name, purpose)
                add_rows(session, job, _hinted(rows, kind, category))
        if job is None:
            raise ProblemError(422, "文件中没有数据")
        with runtime.database.session() as session:
            queue_job(session, job)
            note(session, actor, "create_job", job.id)
    except BaseException:
        if job:
            remove_job(runtime.database, job.id)
        raise
    return job.id


def _read(runtime: Runtime, job_id: str) -> JobAnswer:
    with runtime.database.session() as session:
        job = find_job(session, job_id)
        if job is None:
            raise ProblemError(404, "没有这个编号的任务")
        return job_answer(job, first_failures(session, job, LISTED_FAILURES))


@router.post("", summary="提交批量任务", status_code=202)
async def create(
    request: Request,
    caller: MayRunJobs,
    file: Annotated[
        UploadFile,
        File(
            description="jsonl、csv、xlsx、parquet（列 id、text、kind、category，也可用“编号”“文案”“标题”“类型”“类别”"
            "等中文列名，同一行的多个文本列合并筛查），或文件的 zip"
        ),
    ],
    kind: Annotated[
        AskedKind,
        Form(description="来源：ad 广告、clause 合同条款、product 商品信息；auto 表示不知道。行中已写明的以行为准"),
    ] = "auto",
    category: Annotated[
        str,
        Form(max_length=MAX_CATEGORY, description="商品或服务类别，如“普通食品”。行中已写明的以行为准"),
        Printable,
    ] = "",
) -> JobAnswer:
    """在后台逐条筛查；有误的条目带行号或文件名报错，不影响其他条目。服务中断后自动接着做。

    压缩包中的文件由任务逐份读取，每份作为一段文本筛查，字数上限与一段文本相同；更长的请用 POST /v1/documents 单独提交。
    """
    runtime = runtime_of(request)
    name = safe_name(file.filename or "")
    take = partial(_create, runtime, caller.name, name, None if kind == "auto" else kind, category)
    with database_faults():
        job_id = await runtime.readers.read_rows(read_upload, name, file.file, take)
    await runtime.database_call(runtime.executor.submit, job_id)
    return await runtime.database_call(_read, runtime, job_id)


@router.get("", summary="任务列表")
async def jobs(
    request: Request,
    caller: MayRunJobs,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200, description="每页条数")] = 50,
) -> JobPage:
    """返回全部任务，新的在前。"""
    del caller
    runtime = runtime_of(request)
    before = decode_cursor(cursor)

    def read() -> JobPage:
        with runtime.database.session() as session:
            found, more = page_of(list_jobs(session, before, limit + 1), limit)
            return JobPage(items=[job_answer(job, []) for job in found], next_cursor=more)

    return await runtime.database_call(read)


@router.get("/{job_id}", summary="任务进展", responses=NOT_FOUND)
async def get_job(request: Request, job_id: Id, caller: MayRunJobs) -> JobAnswer:
    """返回已完成、有误、总条数，速度与预计剩余时间。"""
    del caller
    return await runtime_of(request).database_call(_read, runtime_of(request), job_id)


@router.get(
    "/{job_id}/events",
    summary="任务进展（实时）",
    responses={**NOT_FOUND, 200: {"content": {"text/event-stream": {}}, "description": "每秒一条任务进展"}},
    response_class=StreamingResponse,
)
async def events(request: Request, job_id: Id, caller: MayRunJobs) -> StreamingResponse:
    """以服务器推送事件（SSE）每秒返回一次任务进展，直到任务结束。"""
    del caller
    runtime = runtime_of(request)
    await runtime.database_call(_read, runtime, job_id)

    async def stream() -> AsyncIterator[str]:
        while True:
            answer = await runtime.database_call(_read, runtime, job_id)
            yield f"event: progress\ndata: {answer.model_dump_json()}\n\n"
            if answer.state in FINAL or runtime.stopping:
                return
            await asyncio.sleep(EVENT_EVERY_S)

    return StreamingResponse(stream(), media_type="text/event-stream")


@router.post("/{job_id}/cancel", summary="取消任务", responses=NOT_FOUND)
async def cancel(request: Request, job_id: Id, caller: MayRunJobs) -> JobAnswer:
    """停止任务；已筛查的结果保留。已结束的任务不能取消。"""
    runtime = runtime_of(request)

    def end() -> JobAnswer:
        _read(runtime, job_id)
        with runtime.database.session() as session:
            if not set_state(session, job_id, JobState.CANCELLED):
                raise ProblemError(409, "任务已经结束，不能取消")
            note(session, caller.name, "cancel_job", job_id)
        return _read(runtime, job_id)

    return await runtime.database_call(end)


@router.get(
    "/{job_id}/results",
    summary="下载任务结果",
    responses={**NOT_FOUND, 200: {"content": {own: {} for own in MEDIA_TYPES.values()}, "description": "结果文件"}},
    response_class=StreamingResponse,
)
async def results(
    request: Request,
    job_id: Id,
    caller: MayRunJobs,
    result_format: Annotated[
        Literal["jsonl", "csv", "xlsx", "parquet"], Query(alias="format", description="文件格式")
    ] = "jsonl",
) -> StreamingResponse:
    """下载全部结果，一条一行，按原顺序；未筛查的条目会注明。jsonl 中词句的位置按同一行的 text 计。"""
    runtime = runtime_of(request)

    def write(file: IO[bytes]) -> str:
        answer = _read(runtime, job_id)
        with runtime.database.session() as session:
            job = find_job(session, job_id)
            pages = iterate_items(session, job.seq) if job else iter(())
            write_results(chain.from_iterable(pages), result_format, file)
            note(session, caller.name, "export_job", job_id)
        return answer.name

    # Without a name in its folder it is gone once it is closed, however the request ends.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    try:
        with database_faults():
            name = await run_in_threadpool(write, file)
    except BaseException:
        file.close()
        raise
    saved_as = quote(f"筛查结果-{name}.{result_format}")
    length = file.tell()
    file.seek(0)
    return StreamingResponse(
        iter(partial(file.read, PIECE), b""),
        media_type=MEDIA_TYPES[result_format],
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{saved_as}", "Content-Length": str(length)},
        background=BackgroundTask(file.close),
    )
