"""How the columns of a table may be named, which of its first rows names them, and what its cells say."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

from screening.taxonomy import KIND_NAMES, KINDS, Kind

# The first are those that messages name.
TEXT_COLUMNS = (
    "text", "文案", "内容", "标题", "描述", "文本", "正文", "条款", "条款内容", "商品名称", "商品标题", "商品描述",
    "广告内容", "宣传语", "详情",
    "名称", "商品名", "品名", "商品文案", "商品详情", "商品介绍", "商品简介", "商品说明", "商品卖点", "卖点",
    "产品名称", "产品名", "产品标题", "产品描述", "产品文案", "产品详情", "产品介绍", "产品简介", "产品说明",
    "产品卖点", "主标题", "副标题", "宝贝名称", "宝贝标题", "宝贝描述", "宝贝详情",
    "广告语", "广告词", "广告文案", "广告标题", "广告文本", "广告宣传语", "广告用语",
    "宣传内容", "宣传文案", "宣传用语", "宣传词", "推广文案", "推广内容", "推广语",
    "条款原文", "条款文本", "合同条款", "合同内容", "格式条款", "格式条款内容", "合同条款内容", "协议内容",
    "文本内容", "文字", "文字内容", "原文", "原文内容", "文案内容", "标题内容", "描述内容", "详情内容", "详情描述",
    "网页内容", "页面内容", "发布内容", "图文详情", "详情页", "简介", "介绍",
)  # fmt: skip
NAMED_IN_MESSAGES = 15
# Of several names the first has preference.
COLUMNS = {
    "id": ("id", "编号", "商品编号", "商品id", "产品编号", "条款编号", "广告编号", "序号"),
    "kind": ("kind", "文本类型", "来源", "类型"),
    "category": ("category", "类别", "品类", "商品类别", "商品品类", "产品类别"),
}
# What a column of kinds may say; "auto" says as much as an empty cell.
KIND_VALUES: MappingProxyType[str, Kind | None] = MappingProxyType(
    {kind: kind for kind in KINDS}
    | {name: kind for kind, name in KIND_NAMES.items()}
    | {"条款": "clause", "合同": "clause", "商品": "product", "auto": None}
)
# What Excel shows in place of a value that it cannot compute.
ERRORS = frozenset(
    ("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA", "#SPILL!", "#CALC!")
)
# How many rows are looked at that are not blank: above the names stand a title, who filled it in, and how to.
HEADER_WITHIN = 10
MAX_NAME = 30
# "标题（必填）", "*标题".
NOTE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|[\s*:]")

Rows = Iterator[tuple[int, Sequence[Any]]]


def _name(cell: object) -> str:
    """Return what a cell calls its column, without notes; a long text as it is."""
    text = "" if cell is None else str(cell).strip()
    return NOTE.sub("", unicodedata.normalize("NFKC", text)).lower() if len(text) <= 4 * MAX_NAME else text


def header_of(row: Sequence[Any]) -> tuple[str, ...]:
    """Return what a row of names calls its columns."""
    return tuple(map(_name, row))


@lru_cache
def text_places(header: tuple[str, ...]) -> tuple[int, ...]:
    """Return which columns hold text, in the table's order: a listing has its title and its description apart."""
    return tuple(place for place, name in enumerate(header) if name in TEXT_COLUMNS)


@lru_cache
def places(header: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return which columns hold each other field, the preferred one first, as far as the header names them."""
    found = {field: tuple(header.index(name) for name in known if name in header) for field, known in COLUMNS.items()}
    return {field: own for field, own in found.items() if own}


def is_blank(cell: object) -> bool:
    """Tell whether a cell says nothing, as an error of Excel's does not."""
    return cell is None or (isinstance(cell, str) and (not (text := cell.strip()) or text in ERRORS))


def written(cell: Any) -> Any:  # noqa: ANN401 - whatever a table holds
    """Return a date, a time or a truth value as text, of midnight the date alone; other cells as they are."""
    match cell:
        case bool():
            return str(cell).upper()
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(" ", "seconds")
        case time():
            return cell.isoformat("seconds")
        case date():
            return cell.isoformat()
    return cell


def kind_of_row(header: tuple[str, ...], row: Sequence[Any]) -> Any:  # noqa: ANN401 - as it stands where it is bad
    """Return the kind that a row names, None where it names none; what a column `kind` holds that is none, as it is.

    Other systems have columns of the Chinese names that say something else.
    """
    for place in places(header).get("kind", ()):
        if place >= len(row) or is_blank(cell := row[place]):
            continue
        name = unicodedata.normalize("NFKC", str(cell)).strip().lower()
        if kind := KIND_VALUES.get(name):
            return kind
        if header[place] == "kind" and name not in KIND_VALUES:
            return written(cell)
    return None


def _is_wide(row: Sequence[Any]) -> bool:
    """Tell whether several things stand in a row: a title is one, which some programs write to each merged cell."""
    return len(set(header_of(row)) - {""}) > 1


def _is_long(row: Sequence[Any]) -> bool:
    return any(len(name) > MAX_NAME for name in header_of(row))


def _may_be_names(row: Sequence[Any]) -> bool:
    """Tell whether all that stands in a row is short texts."""
    filled = [cell for cell in row if _name(cell)]
    return not _is_long(row) and all(isinstance(cell, str) and not _name(cell).isdecimal() for cell in filled)


def _named(row: Sequence[Any]) -> int:
    """Return how many known columns a row names, none where it names no text."""
    header = header_of(row)
    texts = text_places(header)
    return len(texts) + len(places(header)) if texts else 0


def _is_whole(row: Sequence[Any]) -> bool:
    """Tell whether a row is a header wherever it stands: one name alone may be a value, as "条款" is."""
    return _may_be_names(row) and _is_wide(row) and _named(row) > 1


def _header_place(rows: Sequence[Sequence[Any]]) -> int | None:
    """Return which row is the header, or the lower part of one; one that names texts goes before one that does not.

    Where one cell alone names a text, it is at the top or under one title: further down it may be a heading.
    """
    without_texts: int | None = None
    under_titles = True
    for place, row in enumerate(rows):
        is_wide = _is_wide(row)
        under_one = place == 1 and _may_be_names(rows[0])
        is_header = place == 0 or (_may_be_names(row) and under_titles and (is_wide or under_one))
        if _named(row) and (is_header or _is_whole(row)):
            # "商品" may stand over "标题" and "描述".
            return place + any(map(_is_whole, rows[place + 1 : place + 2]))
        if not is_wide:
            continue
        if under_titles and _may_be_names(row) and places(header_of(row)):
            without_texts = place
        if _is_long(row):
            break
        under_titles = False
    return without_texts


def _merged(rows: Sequence[Sequence[Any]]) -> tuple[str, ...]:
    """Return the names that the last of these rows gives, and where it gives none those of the rows above."""
    names: list[str] = []
    for row in rows:
        own = header_of(row)
        names.extend([""] * (len(own) - len(names)))
        names = [new or old for new, old in zip([*own, *[""] * (len(names) - len(own))], names, strict=True)]
    return tuple(names)


def split_header(rows: Rows) -> tuple[tuple[str, ...], Rows]:
    """Return the names of a table's columns, none where no row names them, and the rows below with their numbers."""
    first = list(islice(rows, HEADER_WITHIN))
    cells = [row for _, row in first]
    if (place := _header_place(cells)) is None:
        return (), chain(first, rows)
    above = [row for row in cells[:place] if _is_wide(row)]
    return _merged([*above, cells[place]]), chain(first[place + 1 :], rows)
