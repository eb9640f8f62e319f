"""How the columns of a table may be named, in English and in Chinese."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

TEXT_COLUMNS = ("text", "文本", "内容", "正文", "文案", "条款", "商品标题", "标题", "描述", "商品描述")
# Of several names the first has preference.
COLUMNS = {
    "id": ("id", "编号"),
    "kind": ("kind", "来源", "类型"),
    "category": ("category", "类别"),
}


def header_of(row: Sequence[Any]) -> tuple[str, ...]:
    """Return what the first row of a table calls its columns."""
    return tuple("" if cell is None else str(cell).strip().lower() for cell in row)


@lru_cache
def text_places(header: tuple[str, ...]) -> tuple[int, ...]:
    """Return which columns hold text, in the table's order: a listing has its title and its description apart."""
    return tuple(place for place, name in enumerate(header) if name in TEXT_COLUMNS)


@lru_cache
def places(header: tuple[str, ...]) -> dict[str, int]:
    """Return which column holds each other field, as far as the header names them."""
    return {
        field: header.index(own)
        for field, known in COLUMNS.items()
        if (own := next((name for name in known if name in header), None)) is not None
    }
