"""Parts that all reports share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from screening.results import Finding
from screening.taxonomy import KIND_NAMES
from service.documents.parse import is_table
from service.schemas.common import BEIJING
from service.schemas.documents import DocumentAnswer, DocumentSegment, LabelSummary

NOTE = "本报告由程序生成，所列为违法线索，供执法人员核查，不是认定。"
RECOGNISED = "文字由图像识别得来，可能有误字，请对照原件。"
CHECKED = "标有“（需核实）”的线索，单凭文字只能作为提示，须另行核实有关事实后再作判断。"
NEEDS_CHECK = "（需核实）"
IN_REVIEW = "（待复核）"
# The columns of the head, with their widths in characters.
HEAD_COLUMNS = {"项目": 18, "内容": 80}
MAX_HEADING = 40
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Table:
    """A table of a report: its columns with their widths in characters, and what to say where it has no rows."""

    title: str
    columns: Mapping[str, int]
    rows: Sequence[tuple[str, ...]]
    empty: str


def guarded(value: str) -> str:
    """Return a cell's text such that a spreadsheet does not take it for a formula."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def basis(finding: Finding) -> str:
    """Return a finding's legal basis in one line."""
    return "；".join(str(provision) for provision in finding.legal_basis)


def offices(own: Finding | LabelSummary) -> str:
    """Return the offices in charge in one line."""
    return "、".join(own.offices)


def shown_name(finding: Finding, *, sure: bool = True) -> str:
    """Return a finding's name with what the reader must know of it; `sure` where it reached its threshold."""
    return f"{finding.name}{NEEDS_CHECK if finding.needs_check else ''}{'' if sure else IN_REVIEW}"


def grounds(finding: Finding) -> str:
    """Return a finding's probability, law and offices in one line."""
    return f"概率 {finding.probability:.0%}　{basis(finding)}　主管科室：{offices(finding)}"


def _sheet(segment: DocumentSegment) -> str:
    """Name a row's sheet: its heading, where several sheets are read."""
    return f"工作表“{segment.heading[:MAX_HEADING]}”" if segment.heading else ""


def place(answer: DocumentAnswer, segment: DocumentSegment) -> str:
    """Say where a segment stands: in a table by its row, which may hold several segments."""
    if is_table(answer.name):
        return f"{_sheet(segment)}第 {segment.paragraph} 行"
    parts = [f"第 {segment.index} 段"]
    if segment.page:
        parts.append(f"第 {segment.page} 页")
    if segment.heading:
        parts.append(segment.heading[:MAX_HEADING])
    return " · ".join(parts)


def _rows(segments: Iterable[DocumentSegment]) -> str:
    """Say in which rows of which sheets segments stand, each row once."""
    by_sheet: dict[str, dict[int | None, None]] = {}
    for segment in segments:
        by_sheet.setdefault(_sheet(segment), {})[segment.paragraph] = None
    return "；".join(f"{sheet}第 {'、'.join(map(str, rows))} 行" for sheet, rows in by_sheet.items())


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


def _extent(answer: DocumentAnswer) -> tuple[str, str]:
    """Return how many segments, or rows of a table, were screened, and how many of them have findings."""
    suspected = [segment for segment in answer.segments if segment.findings]
    if not is_table(answer.name):
        return "段数", f"{len(answer.segments)} 段，其中 {len(suspected)} 段有线索"
    rows, found = ({(own.heading, own.paragraph) for own in segments} for segments in (answer.segments, suspected))
    return "行数", f"{len(rows)} 行，其中 {len(found)} 行有线索"


def _local(moment: datetime) -> str:
    """Return a moment as it is kept, UTC without zone, in the offices' time."""
    return moment.replace(tzinfo=UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


def head(answer: DocumentAnswer) -> list[tuple[str, str]]:
    """Return the lines of a report's head, by HEAD_COLUMNS."""
    return [
        ("文件", answer.name),
        ("结论", f"{answer.verdict.value}（{answer.score:g} 分）"),
        _extent(answer),
        *([("来源", KIND_NAMES[answer.kind])] if answer.kind else []),
        *([("类别", answer.category)] if answer.category else []),
        ("筛查时间（北京时间）", _local(answer.created_at) if answer.created_at else ""),
        ("模型版本", answer.model_version),
        ("编号", answer.id),
    ]


def notes(answer: DocumentAnswer) -> list[str]:
    """Return what the reader of a report must know."""
    checked = any(
        finding.needs_check for segment in answer.segments for finding in (*segment.findings, *segment.review)
    )
    return [NOTE, *([CHECKED] if checked else []), *([RECOGNISED] if answer.by_recognition else [])]


def _summary(answer: DocumentAnswer) -> Table:
    of_table = is_table(answer.name)
    segments = {segment.index: segment for segment in answer.segments}
    names = {own.label: shown_name(own) for segment in answer.segments for own in segment.findings}
    rows = [
        (
            names[own.label],
            _rows(segments[index] for index in own.segments) if of_table else "、".join(map(str, own.segments)),
            f"{own.probability:.0%}",
            own.inspection_row,
            own.statistics_row,
            offices(own),
        )
        for own in answer.summary
    ]
    columns = {
        "标签": 24,
        "所在行" if of_table else "所在段": 20,
        "最高概率": 16,
        "检查记录表行": 16,
        "统计表行": 22,
        "主管科室": 30,
    }
    return Table("线索汇总", columns, rows, "未发现违法线索。")


def tables(answer: DocumentAnswer) -> tuple[Table, ...]:
    """Return the summary by label, and the licence numbers."""
    licences = [(own.type.value, own.number, own.form) for own in answer.licences]
    columns = {"种类": 24, "编号": 30, "格式": 30}
    return _summary(answer), Table("证照与批准文号", columns, licences, "文中没有证照或批准文号。")
