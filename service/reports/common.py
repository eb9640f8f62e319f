"""Parts that all reports share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from screening.results import Finding
from service.schemas.documents import DocumentAnswer, DocumentSegment

NOTE = "本报告由程序生成，所列为违法线索，供执法人员核查，不是认定。"
RECOGNISED = "文字由图像识别得来，可能有误字，请对照原件。"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Table:
    """A table of a report, and what to say where it has no rows."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str


def guarded(value: str) -> str:
    """Return a cell's text such that a spreadsheet does not take it for a formula."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def basis(finding: Finding) -> str:
    """Return a finding's legal basis in one line."""
    return "；".join(str(provision) for provision in finding.legal_basis)


def place(segment: DocumentSegment) -> str:
    """Say where a segment stands."""
    parts = [f"第 {segment.index} 段"]
    if segment.page:
        parts.append(f"第 {segment.page} 页")
    if segment.heading:
        parts.append(segment.heading[:40])
    return " · ".join(parts)


def marked(segment: DocumentSegment) -> Iterator[tuple[str, bool]]:
    """Yield the segment's text in runs, each with whether it is evidence."""
    flags = [False] * len(segment.text)
    for finding in (*segment.findings, *segment.review):
        for evidence in finding.evidence:
            flags[evidence.start : evidence.end] = [True] * (evidence.end - evidence.start)
    start = 0
    for position in range(1, len(flags) + 1):
        if position == len(flags) or flags[position] != flags[start]:
            yield segment.text[start:position], flags[start]
            start = position


def head(answer: DocumentAnswer) -> list[tuple[str, str]]:
    """Return the lines of a report's head."""
    found = sum(bool(segment.findings) for segment in answer.segments)
    return [
        ("文件", answer.name),
        ("结论", f"{answer.verdict.value}（{answer.score:g} 分）"),
        ("段数", f"{len(answer.segments)} 段，其中 {found} 段有线索"),
        ("筛查时间（UTC）", answer.created_at.strftime("%Y-%m-%d %H:%M") if answer.created_at else ""),
        ("模型版本", answer.model_version),
        ("编号", answer.id),
    ]


def notes(answer: DocumentAnswer) -> list[str]:
    """Return what the reader of a report must know."""
    return [NOTE, RECOGNISED] if answer.by_recognition else [NOTE]


def tables(answer: DocumentAnswer) -> tuple[Table, ...]:
    """Return the summary by label, and the licence numbers."""
    summary = [
        (own.name, "、".join(map(str, own.segments)), f"{own.probability:.0%}", own.inspection_row, own.statistics_row)
        for own in answer.summary
    ]
    licences = [(own.type.value, own.number, own.form) for own in answer.licences]
    return (
        Table("线索汇总", ("标签", "所在段", "最高概率", "检查记录表行", "统计表行"), summary, "未发现违法线索。"),
        Table("证照与批准文号", ("种类", "编号", "格式"), licences, "文中没有证照或批准文号。"),
    )
