"""Reads a table with columns of texts: one block a row."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from screening.licences import find_licences
from screening.taxonomy import KINDS, Kind
from service.documents.columns import Rows, is_blank, kind_of_row, places, split_header, text_places, written
from service.documents.model import Block, Document, DocumentError, Limits, within
from service.documents.office import open_sheets
from service.documents.plain import decode_text
from service.schemas.common import MAX_CATEGORY, UNPRINTABLE

# Numbers, prices, dates, times; addresses of pages and of mail. Each is matched against what stands between blanks.
NO_TEXT = re.compile(
    r"[\d.,:/+~%¥$€年月日号时点分秒元角万千件个-]+"
    r"|[a-z][a-z0-9+.-]*://[!-~]+|(?:[a-z0-9_-]+\.)+[a-z]{2,}(?:[:/?#][!-~]*)?|[a-z0-9._%+-]+@[a-z0-9.-]+",
    re.IGNORECASE,
)
CODE = re.compile(r"[a-z0-9_/#.()-]+", re.IGNORECASE)
MAX_LICENCE = 60
# Among so many lines of a file is its header, with blank ones above.
HEAD_LINES = 40


def _delimiter(lines: Sequence[str]) -> str:
    """Return what stands between the cells: a comma, but where only another sign makes a header, in a line without one.

    Raises csv.Error.
    """
    head = lines[:HEAD_LINES]
    without_commas = [line for line in head if "," not in line]
    for delimiter, own in ((",", head), ("\t", without_commas), (";", without_commas)):
        header, _ = split_header((1, cells) for cells in csv.reader(own, delimiter=delimiter) if cells)
        if header:
            return delimiter
    return ","


def _is_cut_off(lines: Sequence[str], delimiter: str) -> bool:
    """Tell whether the last row ends within quotes: it has taken the rows after it for its own."""
    try:
        return not list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)


def csv_rows(text: str, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line on which it begins; raises DocumentError."""
    csv.field_size_limit(limits.chars)
    lines = io.StringIO(text, newline="").readlines()
    line = 1
    try:
        delimiter = _delimiter(lines)
        reader = csv.reader(lines, delimiter=delimiter)
        for cells in reader:
            if reader.line_num == len(lines) > line and _is_cut_off(lines[line - 1 :], delimiter):
                raise DocumentError(f"第 {line} 行有引号没有闭合，其后各行无法分开，请改正后重新提交")
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DocumentError(f"文件不是有效的 CSV，或有单元格超过 {limits.chars} 字") from error


def _is_code(token: str) -> bool:
    """Tell whether a word is a number of goods, a licence or the like: half of its characters or more are digits."""
    characters = [own for own in token if own.isalnum()]
    return bool(CODE.fullmatch(token)) and 2 * sum(map(str.isdigit, characters)) >= len(characters)


def _is_text(cell: object) -> bool:
    """Tell whether a cell says something, and is not a number, a date, an address or a code alone."""
    if not isinstance(cell, str) or is_blank(cell):
        return False
    text = unicodedata.normalize("NFKC", cell).strip()
    if all(NO_TEXT.fullmatch(token) or _is_code(token) for token in text.split()):
        return False
    if len(text) > MAX_LICENCE or not any(map(str.isdigit, text)):
        return True
    return not any(own.start == 0 and own.end == len(text) for own in find_licences(text))


def _kind(header: tuple[str, ...], row: Sequence[Any]) -> Kind | None:
    """Return the kind that a row names, None where it is none: a document has no errors of single rows."""
    named = kind_of_row(header, row)
    return next((kind for kind in KINDS if kind == named), None)


def _category(header: tuple[str, ...], row: Sequence[Any]) -> str:
    """Return the category that a row names, as much of it as is kept."""
    place = places(header).get("category", (len(row),))[0]
    if place >= len(row) or is_blank(row[place]):
        return ""
    return UNPRINTABLE.sub("", str(written(row[place]))).strip()[:MAX_CATEGORY]


def _blocks(rows: Rows, sheet: str = "") -> Iterator[Block]:
    """Yield the texts of the text columns; of a table that names none, all texts of each row but known fields."""
    header, below = split_header(rows)
    columns = text_places(header)
    fields = set(chain.from_iterable(places(header).values()))
    for number, row in below:
        if columns:
            cells = [row[place] for place in columns if place < len(row)]
        else:
            cells = [cell for place, cell in enumerate(row) if place not in fields and _is_text(cell)]
        texts = (str(written(cell)).strip() for cell in cells if not is_blank(cell))
        if text := ("\n" if columns else "　").join(texts):
            kind, category = _kind(header, row), _category(header, row)
            yield Block(text, paragraph=number, sheet=sheet, kind=kind, category=category)


def parse_xlsx(name: str, data: bytes, limits: Limits) -> Document:
    """Read the sheets that have text columns, or all where none has."""
    blocks = chain.from_iterable(_blocks(sheet.rows, sheet.name) for sheet in open_sheets(data, limits))
    return Document(name, within(blocks, limits), is_list=True)


def parse_csv(name: str, data: bytes, limits: Limits) -> Document:
    """Read a CSV file in any encoding that Chinese offices use."""
    return Document(name, within(_blocks(csv_rows(decode_text(name, data), limits)), limits), is_list=True)
