"""The report as an Excel file."""

import io
from collections.abc import Sequence

from openpyxl import Workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.worksheet import Worksheet

from service.reports.common import basis, guarded, head, marked, notes, tables
from service.schemas.common import UNPRINTABLE
from service.schemas.documents import DocumentAnswer, DocumentSegment

MAX_CELL = 32_000
TABLE_WIDTHS = (24, 30, 30, 16, 30)
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


def _fill(
    sheet: Worksheet, header: tuple[str, ...], rows: Sequence[tuple[object, ...]], widths: tuple[int, ...]
) -> None:
    sheet.append(header)
    for own in sheet[1]:
        own.font = Font(bold=True)
    for row in rows:
        sheet.append([cell(value) for value in row])
    for letter, width in zip("ABCDEFGHIJ", widths, strict=False):
        sheet.column_dimensions[letter].width = width
    for line in sheet.iter_rows():
        for own in line:
            own.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "A2"


def excel_report(answer: DocumentAnswer) -> bytes:
    """Return the report: sheets with the head, the tables that all reports have, the findings, and the whole text."""
    book = Workbook()
    summary = book.active
    assert isinstance(summary, Worksheet)  # noqa: S101 - a new book has one sheet
    summary.title = "概况"
    _fill(summary, ("项目", "内容"), [*head(answer), *(("说明", note) for note in notes(answer))], (18, 80))
    for own in tables(answer):
        _fill(book.create_sheet(own.title), own.header, own.rows, TABLE_WIDTHS)
    findings = book.create_sheet("线索")
    rows: list[tuple[object, ...]] = [
        (
            segment.index,
            segment.page,
            finding.name,
            "线索" if finding in segment.findings else "待复核",
            round(finding.probability, 3),
            "；".join(evidence.text for evidence in finding.evidence),
            _marked_cell(segment),
            basis(finding),
            finding.inspection_row,
            finding.advice,
        )
        for segment in answer.segments
        for finding in (*segment.findings, *segment.review)
    ]
    header = ("段", "页", "标签", "结论", "概率", "词句", "原文", "法律依据", "检查记录表行", "整改建议")
    _fill(findings, header, rows, (6, 6, 22, 10, 8, 30, 60, 40, 16, 40))
    everything = book.create_sheet("全文")
    lines: list[tuple[object, ...]] = [
        (
            segment.index,
            segment.page,
            segment.heading,
            _marked_cell(segment),
            "、".join(finding.name for finding in segment.findings),
        )
        for segment in answer.segments
    ]
    _fill(everything, ("段", "页", "标题", "原文", "线索"), lines, (6, 6, 24, 90, 30))
    for row, segment in enumerate(answer.segments, 2):
        if segment.findings:
            everything.cell(row, 4).fill = SUSPECTED
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
