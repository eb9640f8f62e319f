"""The report as a Word file."""

import io
import re
from collections.abc import Sequence

import docx
from docx.enum.text import WD_COLOR_INDEX
from docx.oxml.ns import qn
from docx.shared import Pt

from service.reports.common import basis, head, marked, notes, place, tables
from service.schemas.documents import DocumentAnswer, DocumentSegment

FONT = "宋体"
# XML holds no control characters.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _clean(text: str) -> str:
    return CONTROL.sub("", text)


def _table(document: "docx.document.Document", header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = document.add_table(rows=1, cols=len(header), style="Table Grid")
    for cell, text in zip(table.rows[0].cells, header, strict=True):
        cell.paragraphs[0].add_run(text).bold = True
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = _clean(text)


def _segment(document: "docx.document.Document", segment: DocumentSegment) -> None:
    document.add_heading(_clean(place(segment)), level=2)
    paragraph = document.add_paragraph()
    for text, is_evidence in marked(segment):
        run = paragraph.add_run(_clean(text))
        if is_evidence:
            run.font.highlight_color = WD_COLOR_INDEX.YELLOW
            run.bold = True
    for finding, doubt in [(own, "") for own in segment.findings] + [(own, "（待复核）") for own in segment.review]:
        line = document.add_paragraph(style="List Bullet")
        line.add_run(f"{finding.name}{doubt}").bold = True
        line.add_run(f"　概率 {finding.probability:.0%}　{basis(finding)}")
        document.add_paragraph(f"建议：{finding.advice}")


def word_report(answer: DocumentAnswer) -> bytes:
    """Return the report: head, summary by label, segments with findings, and the whole text."""
    document = docx.Document()
    style = document.styles["Normal"]
    style.font.name = FONT
    style.font.size = Pt(10.5)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), FONT)
    for name in ("Title", "Heading 1", "Heading 2"):
        document.styles[name].element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "黑体")
    document.add_heading("文件筛查报告", level=0)
    _table(document, ("项目", "内容"), head(answer))
    for note in notes(answer):
        document.add_paragraph(note)
    for own in tables(answer):
        document.add_heading(own.title, level=1)
        if own.rows:
            _table(document, own.header, own.rows)
        else:
            document.add_paragraph(own.empty)
    suspicious = [segment for segment in answer.segments if segment.findings or segment.review]
    if suspicious:
        document.add_heading("逐段线索", level=1)
        for segment in suspicious:
            _segment(document, segment)
    document.add_heading("全文", level=1)
    for segment in answer.segments:
        paragraph = document.add_paragraph(f"[{segment.index}] ")
        for text, is_evidence in marked(segment):
            run = paragraph.add_run(_clean(text))
            if is_evidence:
                run.font.highlight_color = WD_COLOR_INDEX.YELLOW
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()
