"""Reads a table with a column of texts: one block a row."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from screening.screener import MAX_CHARS
from service.documents.columns import places
from service.documents.model import Block, Document, DocumentError, Limits, within
from service.documents.office import sheet_rows
from service.documents.plain import decode_text

MAX_CELL = MAX_CHARS * 2


def csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line on which it begins; raises DocumentError."""
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""))
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DocumentError(f"文件不是有效的 CSV，或有单元格超过 {MAX_CELL} 字") from error


def _blocks(rows: Iterator[tuple[int, Sequence[Any]]]) -> Iterator[Block]:
    """Yield the texts of the text column; of a table that names none, the longest cell of each row."""
    column, is_first = None, True
    for number, row in rows:
        cells = ["" if cell is None else str(cell).strip() for cell in row]
        if is_first:
            is_first = False
            column = places(tuple(cells)).get("text")
            if column is not None:
                continue
        text = (cells[column] if column < len(cells) else "") if column is not None else max(cells, key=len, default="")
        if text:
            yield Block(text, paragraph=number)


def parse_xlsx(name: str, data: bytes, limits: Limits) -> Document:
    """Read the first sheet."""
    return Document(name, within(_blocks(sheet_rows(data, limits)), limits), is_list=True)


def parse_csv(name: str, data: bytes, limits: Limits) -> Document:
    """Read a CSV file in any encoding that Chinese offices use."""
    return Document(name, within(_blocks(csv_rows(decode_text(name, data))), limits), is_list=True)
