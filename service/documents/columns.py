"""How the columns of a table may be named, in English and in Chinese; of several the first has preference."""

from functools import lru_cache

COLUMNS = {
    "id": ("id", "编号"),
    "text": ("text", "文本", "内容", "正文", "文案", "条款", "商品标题", "标题", "描述"),
    "kind": ("kind", "来源", "类型"),
    "category": ("category", "类别"),
}


@lru_cache
def places(header: tuple[str, ...]) -> dict[str, int]:
    """Return which column holds each field, as far as the header names them."""
    names = [name.strip().lower() for name in header]
    return {
        field: names.index(own)
        for field, known in COLUMNS.items()
        if (own := next((name for name in known if name in names), None)) is not None
    }
