"""The report as an HTML page that needs nothing else."""

from collections.abc import Iterable, Sequence
from html import escape

from service.reports.common import HEAD_COLUMNS, grounds, head, marked, notes, place, shown_name, tables
from service.schemas.documents import DocumentAnswer, DocumentSegment

STYLE = """
body{font-family:"Noto Sans CJK SC","Microsoft YaHei","PingFang SC",sans-serif;color:#1a1a1a;max-width:60rem;
margin:2rem auto;padding:0 1rem;line-height:1.7}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%}th,td{border:1px solid #ccc;padding:.35rem .6rem;text-align:left;
vertical-align:top}th{background:#f3f4f6;white-space:nowrap}
mark{background:#ffe58f;padding:0 .1em}.note{color:#555}.segment{margin:.6rem 0;padding:.5rem .8rem;
border-left:4px solid #e5e7eb}.found{border-color:#c0392b}.review{border-color:#d4a017}
.place{color:#666;font-size:.85rem}.label{font-weight:600;white-space:nowrap}li{margin:.25rem 0}
"""


def _text(segment: DocumentSegment) -> str:
    return "".join(f"<mark>{escape(text)}</mark>" if found else escape(text) for text, found in marked(segment))


def _table(header: Iterable[str], rows: Sequence[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _segment(answer: DocumentAnswer, segment: DocumentSegment) -> str:
    look = "found" if segment.findings else "review" if segment.review else ""
    items = "".join(
        f'<li><span class="label">{escape(shown_name(own, sure=sure))}</span>　{escape(grounds(own))}'
        f"<br>建议：{escape(own.advice)}</li>"
        for findings, sure in ((segment.findings, True), (segment.review, False))
        for own in findings
    )
    where = f'<div class="place">{escape(place(answer, segment))}</div>'
    return f'<div class="segment {look}">{where}<div>{_text(segment)}</div>{f"<ul>{items}</ul>" if items else ""}</div>'


def page_report(answer: DocumentAnswer) -> bytes:
    """Return the report: head, summary by label, and the whole text with the evidence marked."""
    parts = [
        "<!DOCTYPE html><html lang='zh-CN'><head><meta charset='utf-8'><title>文件筛查报告</title>",
        f"<style>{STYLE}</style></head><body><h1>文件筛查报告</h1>",
        _table(HEAD_COLUMNS, head(answer)),
        *(f'<p class="note">{note}</p>' for note in notes(answer)),
        *(
            f"<h2>{own.title}</h2>" + (_table(own.columns, own.rows) if own.rows else f"<p>{own.empty}</p>")
            for own in tables(answer)
        ),
        "<h2>全文</h2>",
        *(_segment(answer, segment) for segment in answer.segments),
        "</body></html>",
    ]
    return "".join(parts).encode("utf-8", "replace")
