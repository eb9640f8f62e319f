"""Screening of single texts and of batches, and what was screened before."""

from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from screening.results import Verdict
from screening.screener import TextError
from service.cursors import decode_cursor, page_of
from service.problems import NOT_FOUND, ProblemError, describe
from service.runtime import Runtime, runtime_of
from service.schemas.common import BEIJING, Cursor, Id, Printable, echo_id
from service.schemas.screenings import (
    BatchAnswer,
    BatchItem,
    BatchRequest,
    BatchResult,
    ScreeningAnswer,
    ScreeningPage,
    ScreeningRequest,
    StoredScreening,
    screening_summary,
    stored_screening,
)
from service.screen import screen_requests
from service.security import MayScreen
from service.storage.screenings import Filter, find_record, list_records

router = APIRouter(prefix="/v1/screenings", tags=["文本筛查"])

Item = TypeVar("Item", bound=ScreeningRequest)


def check_length(runtime: Runtime, text: str) -> None:
    """Raise ProblemError 413 where a text is longer than the settings allow."""
    if len(text) > runtime.settings.max_chars:
        raise ProblemError(413, f"文本过长：{len(text)} 字，上限 {runtime.settings.max_chars} 字")


@router.post("", summary="筛查一段文本")
async def screen(request: Request, body: ScreeningRequest, caller: MayScreen) -> ScreeningAnswer:
    """返回文本中的违法线索：标签、显示线索的词句、法律依据、检查记录表的对应行。结果按编号保存。"""
    runtime = runtime_of(request)
    check_length(runtime, body.text)
    (answer,) = await screen_requests(runtime, caller.name, [body])
    if isinstance(answer, TextError):
        raise answer
    return answer


def read_item(runtime: Runtime, schema: type[Item], given: object) -> Item | str:
    """Return one of several items that came together, or what is wrong with it."""
    try:
        item = schema.model_validate(given)
        check_length(runtime, item.text)
    except ValidationError as error:
        return describe(list(error.errors()))
    except ProblemError as error:
        return error.detail
    return item


@router.post("/batch", summary="筛查多条文本")
async def screen_batch(request: Request, body: BatchRequest, caller: MayScreen) -> BatchAnswer:
    """一次筛查多条文本，逐条返回结果或错误，编号原样返回。条数上限由服务设置，默认 256。"""
    runtime = runtime_of(request)
    if len(body.items) > runtime.settings.max_batch:
        raise ProblemError(413, f"一次最多 {runtime.settings.max_batch} 条，收到 {len(body.items)} 条")
    items = [read_item(runtime, BatchItem, given) for given in body.items]
    answers = iter(await screen_requests(runtime, caller.name, [item for item in items if isinstance(item, BatchItem)]))
    results = []
    for index, (given, item) in enumerate(zip(body.items, items, strict=True)):
        own_id = echo_id(given)
        if isinstance(item, str):
            results.append(BatchResult(id=own_id, index=index, error=item))
        elif isinstance(answer := next(answers), TextError):
            results.append(BatchResult(id=own_id, index=index, error=str(answer)))
        else:
            results.append(BatchResult(id=own_id, index=index, screening=answer))
    return BatchAnswer(results=results)


def _utc(moment: datetime | None) -> datetime | None:
    """Return a moment as it is kept: UTC without zone. A moment given without zone is taken for Beijing time."""
    if moment is None:
        return None
    try:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)
        return aware.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ProblemError(422, "since 或 until 超出可用的日期范围") from error


def _labels(runtime: Runtime, label: str, office: str) -> set[str] | None:
    """Return the codes of the labels that are asked for, None for all; raises ProblemError 422 of unknown names."""
    if not label and not office:
        return None
    known = runtime.taxonomy.labels
    if label and label not in {own.code for own in known}:
        raise ProblemError(422, f"label：没有标签 {label}，标签见 GET /v1/labels")
    offices = dict.fromkeys(chain.from_iterable(own.offices for own in known))
    if office and office not in offices:
        raise ProblemError(422, f"office：没有科室 {office}，可选 {'、'.join(offices)}")
    return {own.code for own in known if label in ("", own.code) and (not office or office in own.offices)}


@router.get("", summary="查询筛查记录")
async def list_screenings(
    request: Request,
    caller: MayScreen,
    label: Annotated[str, Query(description="只看有此标签的", max_length=60), Printable] = "",
    office: Annotated[str, Query(description="只看归此科室的", max_length=60), Printable] = "",
    verdict: Annotated[Verdict | None, Query(description="只看此结论的")] = None,
    seller: Annotated[str, Query(description="经营者名称，完全一致", max_length=200), Printable] = "",
    reference: Annotated[str, Query(description="调用方的编号，完全一致", max_length=200), Printable] = "",
    since: Annotated[datetime | None, Query(description="自此时起（含）；未写时区的按北京时间（UTC+8）")] = None,
    until: Annotated[datetime | None, Query(description="至此时止（不含）；未写时区的按北京时间（UTC+8）")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200, description="每页条数")] = 50,
) -> ScreeningPage:
    """按标签、科室、结论、经营者和时间查询，新的在前。"""
    del caller
    runtime = runtime_of(request)
    before = decode_cursor(cursor)
    wanted = Filter(_labels(runtime, label, office), verdict, _utc(since), _utc(until), seller, reference)

    def read() -> ScreeningPage:
        with runtime.database.session() as session:
            records, more = page_of(list_records(session, wanted, before, limit + 1), limit)
            return ScreeningPage(items=[screening_summary(record) for record in records], next_cursor=more)

    return await runtime.database_call(read)


@router.get("/{screening_id}", summary="取一次筛查的结果", responses=NOT_FOUND)
async def get_screening(request: Request, screening_id: Id, caller: MayScreen) -> StoredScreening:
    """按编号取已保存的结果，含原文。"""
    del caller
    runtime = runtime_of(request)

    def read() -> StoredScreening:
        with runtime.database.session() as session:
            record = find_record(session, screening_id)
            if record is None:
                raise ProblemError(404, "没有这个编号的筛查记录")
            return stored_screening(record)

    return await runtime.database_call(read)
