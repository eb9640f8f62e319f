"""Screening of uploaded documents, and reports of them."""

from pathlib import PurePath
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Path, Request, UploadFile
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from screening.results import Screening
from service.documents.parse import parse_document
from service.documents.screen import document_answer, inputs, passes
from service.problems import NOT_FOUND, ProblemError
from service.reports.excel import excel_report
from service.reports.page import page_report
from service.reports.word import word_report
from service.runtime import Runtime, database_faults, runtime_of
from service.schemas.common import MAX_CATEGORY, AskedKind, Id, Printable
from service.schemas.documents import DocumentAnswer
from service.screen import screen_parts
from service.security import MayScreen
from service.storage.audit import note
from service.storage.documents import find_document, keep_document

router = APIRouter(prefix="/v1/documents", tags=["文件筛查"])

ReportFormat = Literal["docx", "xlsx", "html"]
REPORTS = {
    "docx": (word_report, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "xlsx": (excel_report, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "html": (page_report, "text/html; charset=utf-8"),
}


@router.post("", summary="筛查一份文件", status_code=201)
async def screen_document(
    request: Request,
    caller: MayScreen,
    file: Annotated[UploadFile, File(description="docx、pdf、html、txt、md、xlsx、csv 文件，或 png、jpg 截图")],
    kind: Annotated[AskedKind, Form(description="来源；auto 表示不知道。表格的行中已写明的以行为准")] = "auto",
    category: Annotated[
        str, Form(max_length=MAX_CATEGORY, description="商品或服务类别。表格的行中已写明的以行为准"), Printable
    ] = "",
) -> DocumentAnswer:
    """逐段返回文件中的违法线索，并按标签汇总。截图和扫描件在本机识别文字，不外传。"""
    runtime = runtime_of(request)
    document = await runtime.readers.read(parse_document, file.filename or "", file.file)
    results: list[Screening] = []
    for items in passes(inputs(document, None if kind == "auto" else kind, category)):
        results += await screen_parts(runtime, items)
    answer = await run_in_threadpool(document_answer, document, results)

    def keep() -> DocumentAnswer:
        with runtime.database.session() as session:
            kept = keep_document(session, caller.name, answer)
            note(session, caller.name, "screen_document", kept.id)
            return kept

    return await runtime.database_call(keep)


def _find(runtime: Runtime, document_id: str) -> DocumentAnswer:
    with runtime.database.session() as session:
        answer = find_document(session, document_id)
    if answer is None:
        raise ProblemError(404, "没有这个编号的文件")
    return answer


@router.get("/{document_id}", summary="取一份文件的筛查结果", responses=NOT_FOUND)
async def get_document(request: Request, document_id: Id, caller: MayScreen) -> DocumentAnswer:
    """按编号取已保存的结果。"""
    del caller
    return await runtime_of(request).database_call(_find, runtime_of(request), document_id)


@router.get(
    "/{document_id}/report.{report_format}", summary="下载筛查报告", responses=NOT_FOUND, response_class=Response
)
async def get_report(
    request: Request,
    document_id: Id,
    report_format: Annotated[ReportFormat, Path(description="报告格式：docx、xlsx、html")],
    caller: MayScreen,
) -> Response:
    """下载 docx、xlsx 或 html 报告，标出显示线索的词句。"""
    runtime = runtime_of(request)
    make, media_type = REPORTS[report_format]

    def write() -> tuple[str, bytes]:
        answer = _find(runtime, document_id)
        content = make(answer)
        with runtime.database.session() as session:
            note(session, caller.name, "export_report", document_id)
        return answer.name, content

    with database_faults():
        name, content = await run_in_threadpool(write)
    saved_as = quote(f"筛查报告-{PurePath(name).stem}.{report_format}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{saved_as}"}
    return Response(content, media_type=media_type, headers=headers)
