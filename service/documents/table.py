"""Reads a table with a column of texts: one block a row."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from screening.screener import MAX_CHARS
from service.documents.model import Block, Document, DocumentError, Limits
from service.documents.office import sheet_rows
from service.documents.plain import decode_text

TEXT_COLUMNS = ("text", "文本", "内容", "正文", "文案", "条款", "商品标题", "标题", "描述")


def text_column(header: Sequence[str]) -> int | None:
    """Return which column holds the texts, by its name; None where the row names none."""
    names = [name.strip().lower() for name in header]
    return next((names.index(wanted) for wanted in TEXT_COLUMNS if wanted in names), None)


def _blocks(rows: Iterator[Sequence[Any]]) -> Iterator[Block]:
    """Yield the texts of the text column; of a table that names none, the longest cell of each row."""
    column = None
    for number, row in enumerate(rows, 1):
        cells = ["" if cell is None else str(cell).strip() for cell in row]
        if number == 1 and (column := text_column(cells)) is not None:
            continue
        text = (cells[column] if column < len(cells) else "") if column is not None else max(cells, key=len, default="")
        if text:
            yield Block(text, paragraph=number)


def parse_xlsx(name: str, data: bytes, limits: Limits) -> Document:
    """Read the first sheet."""
    return Document(name, tuple(_blocks(sheet_rows(data, limits))), is_list=True)


def parse_csv(name: str, data: bytes, _: Limits) -> Document:
    """Read a CSV file in any encoding that Chinese offices use."""
    csv.field_size_limit(MAX_CHARS * 2)
    try:
        rows = csv.reader(io.StringIO(decode_text(name, data), newline=""))
        return Document(name, tuple(_blocks(rows)), is_list=True)
    except csv.Error as error:
        raise DocumentError("文件不是有效的 CSV") from error
