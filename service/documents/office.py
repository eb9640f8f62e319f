"""Reads Word and Excel files."""

import io
from collections.abc import Iterator
from typing import Any

import docx
import openpyxl
from docx.document import Document as WordDocument
from docx.table import Table
from docx.text.paragraph import Paragraph

from service.documents.archive import check_office_file
from service.documents.model import Block, Document, DocumentError, Limits

HEADING_STYLES = ("heading", "title", "标题")


def _blocks(document: WordDocument) -> Iterator[Block]:
    for number, part in enumerate(document.iter_inner_content(), 1):
        if isinstance(part, Paragraph):
            if part.text.strip():
                style = (part.style.name or "").lower() if part.style else ""
                yield Block(part.text.strip(), style.startswith(HEADING_STYLES), paragraph=number)
        elif isinstance(part, Table):
            for row in part.rows:
                # A merged cell comes once for each column it covers.
                cells = dict.fromkeys(cell.text.strip() for cell in row.cells)
                if line := "　".join(cell for cell in cells if cell):
                    yield Block(line, paragraph=number)


def parse_docx(name: str, data: bytes, limits: Limits) -> Document:
    """Read paragraphs and table rows in order."""
    check_office_file(data, limits)
    try:
        return Document(name, tuple(_blocks(docx.Document(io.BytesIO(data)))))
    except Exception as error:  # python-docx raises whatever a missing part leads to
        raise DocumentError("Word 文件已损坏，无法读取") from error


def sheet_rows(data: bytes, limits: Limits) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the first sheet that has any; formulas come as their last values."""
    check_office_file(data, limits)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for sheet in book.worksheets:
            rows = sheet.iter_rows(values_only=True)
            first = next(rows, None)
            if first is not None:
                yield first
                yield from rows
                return
    except DocumentError:
        raise
    except Exception as error:  # openpyxl raises whatever a missing part leads to
        raise DocumentError("Excel 文件已损坏，无法读取") from error
