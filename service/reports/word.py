"""The report as a Word file."""

import io
import re
from collections.abc import Mapping, Sequence

import docx
from docx.enum.text import WD_COLOR_INDEX
from docx.oxml.ns import qn
from docx.shared import Length, Pt

from service.documents.parse import is_table
from service.reports.common import HEAD_COLUMNS, grounds, head, marked, notes, place, shown_name, tables
from service.schemas.documents import DocumentAnswer, DocumentSegment

FONT = "宋体"
# XML holds no control characters.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _clean(text: str) -> str:
    return CONTROL.sub("", text)


def _text_width(document: "docx.document.Document") -> int:
    """Return the width between the margins."""
    section = document.sections[0]
    return int(section.page_width - section.left_margin - section.right_margin)


def _table(document: "docx.document.Document", columns: Mapping[str, int], rows: Sequence[tuple[str, ...]]) -> None:
    """Add a table as wide as the text, whose columns share it by their widths."""
    table = document.add_table(rows=1, cols=len(columns), style="Table Grid")
    table.autofit = False
    unit = _text_width(document) / sum(columns.values())
    for own, cell, (text, width) in zip(table.columns, table.rows[0].cells, columns.items(), strict=True):
        own.width = cell.width = Length(round(width * unit))  # rows that are added take the column's
        cell.paragraphs[0].add_run(text).bold = True
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = _clean(text)


def _segment(document: "docx.document.Document", answer: DocumentAnswer, segment: DocumentSegment) -> None:
    document.add_heading(_clean(place(answer, segment)), level=2)
    paragraph = document.add_paragraph()
    for text, is_evidence in marked(segment):
        run = paragraph.add_run(_clean(text))
        if is_evidence:
            run.font.highlight_color = WD_COLOR_INDEX.YELLOW
            run.bold = True
    for finding, sure in [(own, True) for own in segment.findings] + [(own, False) for own in segment.review]:
        line = document.add_paragraph(style="List Bullet")
        line.add_run(shown_name(finding, sure=sure)).bold = True
        line.add_run(f"　{grounds(finding)}")
        document.add_paragraph(f"建议：{finding.advice}")


def word_report(answer: DocumentAnswer) -> bytes:
    """Return the report: head, summary by label, segments with findings, and the whole text."""
    document = docx.Document()
    of_table = is_table(answer.name)
    style = document.styles["Normal"]
    style.font.name = FONT
    style.font.size = Pt(10.5)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), FONT)
    for name in ("Title", "Heading 1", "Heading 2"):
        document.styles[name].element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "黑体")
    document.add_heading("文件筛查报告", level=0)
    _table(document, HEAD_COLUMNS, head(answer))
    for note in notes(answer):
        document.add_paragraph(note)
    for own in tables(answer):
        document.add_heading(own.title, level=1)
        if own.rows:
            _table(document, own.columns, own.rows)
        else:
            document.add_paragraph(own.empty)
    suspicious = [segment for segment in answer.segments if segment.findings or segment.review]
    if suspicious:
        document.add_heading("逐行线索" if of_table else "逐段线索", level=1)
        for segment in suspicious:
            _segment(document, answer, segment)
    document.add_heading("全文", level=1)
    for segment in answer.segments:
        paragraph = document.add_paragraph(f"[{_clean(place(answer, segment)) if of_table else segment.index}] ")
        for text, is_evidence in marked(segment):
            run = paragraph.add_run(_clean(text))
            if is_evidence:
                run.font.highlight_color = WD_COLOR_INDEX.YELLOW
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()
