"""Shows a screening in a terminal: verdict, marked text, and a table of findings."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from screening.results import Finding, Screening, Verdict

STYLES = {Verdict.SUSPECTED: "bold red", Verdict.REVIEW: "bold yellow", Verdict.CLEAR: "bold green"}
NOTICE = "结果仅为线索，是否违法由执法人员判断。"


def _marked(text: str, result: Screening) -> Text:
    marked = Text(text)
    for findings, style in ((result.review, "black on yellow"), (result.findings, "white on red")):
        for finding in findings:
            for evidence in finding.evidence:
                marked.stylize(style, evidence.start, evidence.end)
    return marked


def _row(finding: Finding, *, sure: bool) -> tuple[str, ...]:
    name = f"{finding.name}{'（需核实）' if finding.needs_check else ''}{'' if sure else '（待复核）'}"
    return (
        f"{name}\n{finding.label}",
        f"{finding.probability:.0%}",
        "\n".join(evidence.text for evidence in finding.evidence),
        "\n".join(str(provision) for provision in finding.legal_basis),
        f"{finding.inspection_row}\n{finding.statistics_row}",
        finding.advice,
    )


def show(console: Console, text: str, result: Screening) -> None:
    """Print the result for one text."""
    console.print(Text.assemble((result.verdict.value, STYLES[result.verdict]), f"  违规评分 {result.score:.1f}/100"))
    console.print(_marked(text, result))
    if result.findings or result.review:
        table = Table(show_lines=True)
        for title in ("线索", "概率", "依据文字", "法律依据", "检查记录表／统计表", "改正建议"):
            table.add_column(title, overflow="fold")
        for finding in result.findings:
            table.add_row(*_row(finding, sure=True))
        for finding in result.review:
            table.add_row(*_row(finding, sure=False))
        console.print(table)
    console.print(f"模型 {result.model_version}。{NOTICE}", style="dim")
