"""Reads a table with a column of texts: one block a row."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from service.documents.columns import header_of, text_places
from service.documents.model import Block, Document, DocumentError, Limits, within
from service.documents.office import open_sheets
from service.documents.plain import decode_text


def _is_cut_off(lines: Sequence[str]) -> bool:
    """Tell whether the last row ends within quotes: it has taken the rows after it for its own."""
    try:
        return not list(csv.reader(lines, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)


def csv_rows(text: str, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line on which it begins; raises DocumentError."""
    csv.field_size_limit(limits.chars)
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(lines)
    line = 1
    try:
        for cells in reader:
            if reader.line_num == len(lines) > line and _is_cut_off(lines[line - 1 :]):
                raise DocumentError(f"第 {line} 行有引号没有闭合，其后各行无法分开，请改正后重新提交")
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DocumentError(f"文件不是有效的 CSV，或有单元格超过 {limits.chars} 字") from error


def _blocks(rows: Iterator[tuple[int, Sequence[Any]]], sheet: str = "") -> Iterator[Block]:
    """Yield the texts of the text columns; of a table that names none, the longest cell of each row."""
    columns: tuple[int, ...] | None = None
    for number, row in rows:
        if columns is None:
            columns = text_places(header_of(row))
            if columns:
                continue
        cells = ["" if cell is None else str(cell).strip() for cell in row]
        texts = [cells[place] for place in columns if place < len(cells)] if columns else [max(cells, key=len)]
        if text := "\n".join(filter(None, texts)):
            yield Block(text, paragraph=number, sheet=sheet)


def parse_xlsx(name: str, data: bytes, limits: Limits) -> Document:
    """Read the sheets that have text columns."""
    blocks = chain.from_iterable(_blocks(sheet.rows, sheet.name) for sheet in open_sheets(data, limits))
    return Document(name, within(blocks, limits), is_list=True)


def parse_csv(name: str, data: bytes, limits: Limits) -> Document:
    """Read a CSV file in any encoding that Chinese offices use."""
    return Document(name, within(_blocks(csv_rows(decode_text(name, data), limits)), limits), is_list=True)
