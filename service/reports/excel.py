"""The report as an Excel file."""

import io
from collections.abc import Mapping, Sequence

from openpyxl import Workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from service.documents.parse import is_table
from service.reports.common import HEAD_COLUMNS, basis, guarded, head, marked, notes, offices, place, shown_name, tables
from service.schemas.common import UNPRINTABLE
from service.schemas.documents import DocumentAnswer, DocumentSegment

MAX_CELL = 32_000
SUSPECTED = PatternFill("solid", fgColor="FFF2CC")
EVIDENCE = InlineFont(b=True, color="C00000")


def cell(value: object) -> object:
    """Return a value as a cell may hold it: text guarded against formulas, without what XML refuses, not too long."""
    if not isinstance(value, str):
        return value
    return guarded(UNPRINTABLE.sub("", value))[:MAX_CELL]


def _marked_cell(segment: DocumentSegment) -> CellRichText:
    """Return a segment's text with its evidence in bold red; as `cell` has it otherwise."""
    runs = CellRichText()
    left = MAX_CELL
    for text, is_evidence in marked(segment):
        shown = UNPRINTABLE.sub("", text)
        shown = (shown if runs else guarded(shown))[:left]
        left -= len(shown)
        if shown:
            runs.append(TextBlock(EVIDENCE, shown) if is_evidence else shown)
    return runs


def _fill(sheet: Worksheet, columns: Mapping[str, int], rows: Sequence[tuple[object, ...]]) -> None:
    """Write a sheet; columns have their widths in characters."""
    sheet.append(list(columns))
    for own in sheet[1]:
        own.font = Font(bold=True)
    for row in rows:
        sheet.append([cell(value) for value in row])
    for number, width in enumerate(columns.values(), 1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    for line in sheet.iter_rows():
        for own in line:
            own.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "A2"


def _place_columns(answer: DocumentAnswer) -> dict[str, int]:
    if is_table(answer.name):
        return {"位置": 24}
    has_pages = any(segment.page for segment in answer.segments)
    return {"段": 6} | ({"页": 6} if has_pages else {}) | {"标题": 24}


def _place_cells(answer: DocumentAnswer, segment: DocumentSegment, columns: Mapping[str, int]) -> tuple[object, ...]:
    """Return where a segment stands, by the place's columns."""
    cells = {
        "位置": place(answer, segment),
        "段": segment.index,
        "页": segment.page,
        "标题": segment.heading,
    }
    return tuple(value for name, value in cells.items() if name in columns)


def _fill_findings(sheet: Worksheet, answer: DocumentAnswer) -> None:
    columns = _place_columns(answer) | {
        "标签": 24,
        "结论": 10,
        "概率": 8,
        "词句": 30,
        "原文": 60,
        "法律依据": 40,
        "检查记录表行": 16,
        "主管科室": 24,
        "整改建议": 40,
    }
    rows: list[tuple[object, ...]] = [
        (
            *_place_cells(answer, segment, columns),
            shown_name(finding),
            "线索" if finding in segment.findings else "待复核",
            round(finding.probability, 3),
            "；".join(evidence.text for evidence in finding.evidence),
            _marked_cell(segment),
            basis(finding),
            finding.inspection_row,
            offices(finding),
            finding.advice,
        )
        for segment in answer.segments
        for finding in (*segment.findings, *segment.review)
    ]
    _fill(sheet, columns, rows)


def _fill_text(sheet: Worksheet, answer: DocumentAnswer) -> None:
    columns = _place_columns(answer) | {"原文": 90, "线索": 30}
    rows: list[tuple[object, ...]] = [
        (
            *_place_cells(answer, segment, columns),
            _marked_cell(segment),
            "、".join(shown_name(finding) for finding in segment.findings),
        )
        for segment in answer.segments
    ]
    _fill(sheet, columns, rows)
    text_column = list(columns).index("原文") + 1
    for number, segment in enumerate(answer.segments, 2):
        if segment.findings:
            sheet.cell(number, text_column).fill = SUSPECTED


def excel_report(answer: DocumentAnswer) -> bytes:
    """Return the report: sheets with the head, the tables that all reports have, the findings, and the whole text."""
    book = Workbook()
    summary = book.active
    assert isinstance(summary, Worksheet)  # noqa: S101 - a new book has one sheet
    summary.title = "概况"
    _fill(summary, HEAD_COLUMNS, [*head(answer), *(("说明", note) for note in notes(answer))])
    for own in tables(answer):
        _fill(book.create_sheet(own.title), own.columns, own.rows)
    _fill_findings(book.create_sheet("线索"), answer)
    _fill_text(book.create_sheet("全文"), answer)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
