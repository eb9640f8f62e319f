"""Shows in a terminal what a command has to say: a screening with its marked text and findings, or why it failed."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from screening.errors import MingjianError
from screening.results import Finding, Screening, Verdict
from service.reports.common import shown_name

USAGE_ERROR = 2
REASONS = {
    errno.ENOENT: "文件不存在",
    errno.ENOTDIR: "路径中有一级不是文件夹",
    errno.EISDIR: "应为文件，实为文件夹",
    errno.EACCES: "没有访问权限",
    errno.ENOSPC: "磁盘空间不足",
}
# Some of them rich drops, which would move the marks; the others steer the terminal.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
STYLES = {Verdict.SUSPECTED: "bold red", Verdict.REVIEW: "bold yellow", Verdict.CLEAR: "bold green"}
NOTICE = "结果仅为线索，是否违法由执法人员判断。"

messages = Console(stderr=True)


def _reason(error: MingjianError | OSError) -> str:
    """Return in Chinese what went wrong, and with which file."""
    if isinstance(error, MingjianError):
        return str(error)
    reason = REASONS.get(error.errno or 0, f"读写失败（{error.strerror or error}）")
    return f"{reason}：{error.filename}" if error.filename else reason


@contextmanager
def errors_told() -> Iterator[None]:
    """End with the usage status, and the reason, where a known error is raised or a file cannot be used."""
    try:
        yield
    except BrokenPipeError:  # the output's reader has seen enough: typer ends without a word
        raise
    except (MingjianError, OSError) as error:
        messages.print(f"错误：{_reason(error)}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(USAGE_ERROR) from error


def _plain(text: str) -> Text:
    """Return words as posted, each control character as a blank, so that places in them stay where they are."""
    return Text(CONTROL.sub(" ", text))


def _marked(text: str, result: Screening) -> Text:
    marked = _plain(text)
    for findings, style in ((result.review, "black on yellow"), (result.findings, "white on red")):
        for finding in findings:
            for evidence in finding.evidence:
                marked.stylize(style, evidence.start, evidence.end)
    return marked


def _row(finding: Finding, *, sure: bool) -> tuple[str | Text, ...]:
    return (
        f"{shown_name(finding, sure=sure)}\n{finding.label}",
        f"{finding.probability:.0%}",
        _plain("\n".join(evidence.text for evidence in finding.evidence)),
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
