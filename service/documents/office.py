"""Reads Word and Excel files."""

import io
from collections.abc import Iterator
from typing import Any

import docx
import openpyxl
from docx.document import Document as WordDocument
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

from service.documents.archive import check_office_file
from service.documents.model import Block, Document, DocumentError, Limits, within

HEADING_STYLES = ("heading", "title", "标题")


def _blocks(document: WordDocument) -> Iterator[Block]:
    for number, part in enumerate(document.iter_inner_content(), 1):
        if isinstance(part, Paragraph):
            if part.text.strip():
                style = (part.style.name or "").lower() if part.style else ""
                yield Block(part.text.strip(), style.startswith(HEADING_STYLES), paragraph=number)
        elif isinstance(part, Table):
            for row in part.rows:
                # Each cell of the file once: `row.cells` repeats a merged one for every column that it claims to cover.
                cells = (_Cell(own, part).text.strip() for own in row._tr.tc_lst)
                if line := "　".join(cell for cell in cells if cell):
                    yield Block(line, paragraph=number)


def parse_docx(name: str, data: bytes, limits: Limits) -> Document:
    """Read paragraphs and table rows in order."""
    check_office_file(data, limits)
    try:
        return Document(name, within(_blocks(docx.Document(io.BytesIO(data))), limits))
    except DocumentError:
        raise
    except Exception as error:  # python-docx raises whatever a missing part leads to
        raise DocumentError("Word 文件已损坏，无法读取") from error


def sheet_rows(data: bytes, limits: Limits) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the rows of the first sheet that has any, with their numbers; formulas come as their last values.

    Raises DocumentError where a row has a number beyond `limits.rows` and a header: the library yields empty rows up to
    any number.
    """
    check_office_file(data, limits)
    most = limits.rows + 1
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what a file says of its size may be wrong
            number = 0
            for number, row in enumerate(sheet.iter_rows(max_row=most + 1, values_only=True), 1):
                limits.check_time()
                if number > most:
                    raise DocumentError(f"表格超过 {limits.rows} 行", 413)
                yield number, row
            if number:
                return
    except DocumentError:
        raise
    except Exception as error:  # openpyxl raises whatever a missing part leads to
        raise DocumentError("Excel 文件已损坏，无法读取") from error
