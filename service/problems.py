"""Errors as the API tells them: RFC 9457 problem details, in Chinese, without a trace of the program or of the text."""

import errno
import re
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from lxml.etree import SerialisationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from screening.errors import MingjianError
from screening.screener import TextError

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "请求有误",
    401: "未提供有效的接口密钥",
    403: "无权访问",
    404: "不存在",
    405: "不支持的请求方法",
    406: "不支持的返回格式",
    408: "接收请求内容超时",
    409: "与当前状态冲突",
    413: "内容过大",
    415: "不支持的内容格式",
    422: "内容无法处理",
    429: "请求过多",
    500: "服务内部错误",
    503: "服务暂不可用",
    504: "处理超时",
}
FAULTS = {
    "missing": "缺少",
    "extra_forbidden": "多余的字段",
    "string_too_short": "不能为空",
    "string_too_long": "超过 {max_length} 字的上限",
    "too_long": "超过 {max_length} 条的上限",
    "too_short": "不能为空",
    "greater_than": "应大于 {gt:g}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "unprintable": "含有控制字符或不完整的字符，请去掉",
    "string_unicode": "含有控制字符或不完整的字符，请去掉",
    "literal_error": "取值无效，可选 {expected}",
    "enum": "取值无效，可选 {expected}",
    "json_invalid": "不是有效的 JSON",
    "int_parsing": "应为整数",
    "int_parsing_size": "数字超出可用的范围",
    "float_parsing": "应为数字",
    "datetime_parsing": "应为日期时间",
    "datetime_from_date_parsing": "应为日期时间",
    "string_type": "应为文字",
    "model_attributes_type": "应为 JSON 对象",
    "model_type": "应为 JSON 对象",
    "list_type": "应为列表",
    "value_error": "应为上传的文件",  # the only such fault of the API
}
# What the parser of uploads says, by its first words.
UPLOAD_FAULTS = {
    "Missing boundary": "Content-Type 中缺少 boundary",
    "The Content-Disposition": "其中一部分没有 name",
    "Too many files": "其中文件过多",
    "Too many fields": "其中字段过多",
    "Part exceeded": "其中一个字段过长",
}

FULL = (errno.ENOSPC, errno.EDQUOT)
LXML_FULL = "IO_ENOSPC"

log = structlog.get_logger()


class Problem(BaseModel):
    """出错时的返回内容（RFC 9457）。"""

    type: str = "about:blank"
    title: str = Field(description="错误的种类")
    status: int = Field(description="HTTP 状态码")
    detail: str = Field(description="错误的说明")
    instance: str = Field("", description="请求编号，报告问题时请提供")


class ProblemError(MingjianError):
    """A request that cannot be answered: status and the reason in Chinese; `headers` go with the answer."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer that tells of a problem."""
    body = Problem(
        title=TITLES.get(status, HTTPStatus(status).phrase),
        status=status,
        detail=detail,
        instance=getattr(request.state, "request_id", ""),
    )
    return JSONResponse(body.model_dump(), status, headers, media_type=MEDIA_TYPE)


def reason(fault: Any) -> str:  # noqa: ANN401 - pydantic and FastAPI have types of their own for a fault
    """Say in Chinese what is wrong with a field; what was given is not repeated."""
    context = dict(fault.get("ctx", {}))
    if "expected" in context:  # as "'ad', 'clause' or 'product'"
        context["expected"] = "、".join(re.findall("'([^']*)'", context["expected"]))
    return FAULTS.get(fault["type"], "格式不对").format(**context)


def describe(faults: list[Any]) -> str:
    """Say in Chinese what is wrong with a body or a query, by field; what was posted is not repeated."""
    said = []
    for fault in faults[:10]:
        parts = [str(part) for part in fault["loc"] if part not in ("body", "query", "path")]
        if fault["type"] == "json_invalid":
            parts = [f"请求内容第 {fault['loc'][-1] + 1} 个字符处"]
        said.append(f"{'.'.join(parts) or '请求内容'}：{reason(fault)}")
    return "；".join(dict.fromkeys(said))


def _unreadable(error: HTTPException) -> str:
    """Say in Chinese, as far as it is known, why a body could not be read."""
    match error.__cause__ or error.__context__:
        case MultiPartException() as fault:
            known = (said for words, said in UPLOAD_FAULTS.items() if fault.message.startswith(words))
            return f"上传内容不是有效的 multipart/form-data：{next(known, '内容已损坏')}"
        case RecursionError():
            return "JSON 的嵌套层数过多"
        case UnicodeDecodeError():
            return "请求内容不是 UTF-8 编码"
        case ValueError():  # Python's own parser refuses a number of thousands of digits
            return "JSON 中的数字超出可用的范围"
    return TITLES[400]


def disk_is_full(error: BaseException | None) -> bool:
    """Whether a write failed for lack of room; lxml, which writes workbooks to a file, has an error of its own."""
    match error:
        case OSError():
            return error.errno in FULL
        case SerialisationError():
            return str(error) == LXML_FULL
    return False


def _no_room(request: Request) -> JSONResponse:
    """Return the answer to a request that a full disk has failed."""
    log.error("disk is full")
    return problem(request, 503, "服务器磁盘空间不足，请联系管理员清理后再试")


def install(app: FastAPI) -> None:
    """Answer every error of the application with problem details."""

    @app.exception_handler(ProblemError)
    async def known(request: Request, error: ProblemError) -> JSONResponse:
        return problem(request, error.status, error.detail, error.headers)

    @app.exception_handler(TextError)
    async def text(request: Request, error: TextError) -> JSONResponse:
        return problem(request, 422, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = list(error.errors())
        malformed = any(fault["type"] == "json_invalid" for fault in faults)
        return problem(request, 400 if malformed else 422, describe(faults))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if disk_is_full(error.__cause__):  # an upload is written to the disk as it comes
            return _no_room(request)
        detail = _unreadable(error) if error.status_code == 400 else TITLES.get(error.status_code, TITLES[400])  # noqa: PLR2004
        headers = dict(error.headers) if error.headers else None
        return problem(request, error.status_code, detail, headers)

    @app.exception_handler(OSError)
    @app.exception_handler(SerialisationError)
    async def unwritten(request: Request, error: Exception) -> JSONResponse:
        if not disk_is_full(error):
            raise error
        return _no_room(request)


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": TITLES[status]}
    for status in (400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503, 504)
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": TITLES[404]}}
