"""Shows what a corpus covers, each label by trade, medium, province, wording, speaker, length, kind; what is one-sided.

A trade must never stand for a label: wherever a label occurs in a trade, texts of that trade without any label belong
beside it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from screening.resources import data_file
from screening.taxonomy import KINDS, load_taxonomy
from training.corpus import Row, read_corpus

OTHER = "其他"
# Up to so many characters.
LENGTHS = {"短": 16, "中": 45, "长": 110, "很长": 10_000}
LEAST_LAWFUL = 0.3
# A share of fewer texts says nothing.
LEAST_TEXTS = 5


@cache
def _words(file: str) -> dict[str, tuple[str, ...]]:
    """Return the words by which a value is known, from a file of `data/`."""
    table = yaml.safe_load(data_file(file).read_text(encoding="utf-8"))
    return {value: tuple(words) for value, words in table.items()}


def _first(file: str, text: str) -> str:
    return next((value for value, words in _words(file).items() if any(word in text for word in words)), OTHER)


def trade_of(category: str) -> str:
    """Return the trade of a category."""
    return _first("trades.yaml", category)


def medium_of(category: str) -> str:
    """Return where texts of a category stand or are said, if it says so."""
    return _first("media.yaml", category)


def province_of(row: Row) -> str:
    """Return the province that a text names first in the order of the table, if any."""
    return _first("places.yaml", f"{row.text} {row.category}")


def wording_of(text: str) -> str:
    """Return how a text says what it says, by its words."""
    return _first("wordings.yaml", text)


def speaker_of(text: str) -> str:
    """Return who speaks in a text, if its words say so."""
    return _first("speakers.yaml", text)


def length_of(text: str) -> str:
    """Return the band of a text's length."""
    return next(name for name, most in LENGTHS.items() if len(text) <= most)


@dataclass(frozen=True)
class Cell:
    """How many texts of a trade carry a label, and which share of the trade's texts carries none."""

    label: str
    trade: str
    texts: int
    lawful_share: float

    @property
    def is_one_sided(self) -> bool:
        """Whether the trade may come to stand for the label."""
        return self.texts >= LEAST_TEXTS and self.lawful_share < LEAST_LAWFUL


@dataclass(frozen=True)
class Coverage:
    """What a corpus covers; the counts are those of texts by label and value."""

    cells: tuple[Cell, ...]
    lengths: dict[tuple[str, str], int]
    kinds: dict[tuple[str, str], int]
    media: dict[tuple[str, str], int]
    provinces: dict[tuple[str, str], int]
    wordings: dict[tuple[str, str], int]
    speakers: dict[tuple[str, str], int]

    def show(self, console: Console) -> None:
        """Print the counts, the empty cells and the one-sided trades."""
        trades = {(cell.label, cell.trade): cell.texts for cell in self.cells}
        grids = {
            "行业": ([*_words("trades.yaml"), OTHER], trades),
            "载体": ([*_words("media.yaml")], self.media),
            "省份": ([*_words("places.yaml")], self.provinces),
            "说法": ([*_words("wordings.yaml"), OTHER], self.wordings),
            "说话人": ([*_words("speakers.yaml"), OTHER], self.speakers),
        }
        table = Table(title=f"各标签的覆盖（{'、'.join(grids)}：有文本的数目）")
        empty = Table(title=f"没有文本的{'、'.join(grids)}")
        for title in ("标签", *grids, *LENGTHS, *KINDS):
            table.add_column(title)
        for title in ("标签", *grids):
            empty.add_column(title, overflow="fold")
        for label in load_taxonomy().labels:
            missing = [[value for value in values if (label.code, value) not in own] for values, own in grids.values()]
            sizes = [str(len(values) - len(none)) for (values, _), none in zip(grids.values(), missing, strict=True)]
            counts = [str(self.lengths[label.code, name]) for name in LENGTHS]
            kinds = [str(self.kinds[label.code, kind]) for kind in KINDS]
            table.add_row(label.name, *sizes, *counts, *kinds)
            empty.add_row(label.name, *("、".join(none) for none in missing))
        console.print(table)
        console.print(empty)
        one_sided = [cell for cell in self.cells if cell.is_one_sided]
        console.print(f"合规文本不足 {LEAST_LAWFUL:.0%} 的“标签—行业”共 {len(one_sided)} 处")
        console.print(f"行业中带有该标签的文本不足 {LEAST_TEXTS} 条的，数量过少，不作判断")
        for cell in sorted(one_sided, key=lambda own: own.lawful_share):
            line = f"{cell.label} 在{cell.trade}：违规 {cell.texts} 条，该行业合规文本占 {cell.lawful_share:.0%}"
            console.print(line, highlight=False)

    def show_cells(self, console: Console) -> None:
        """Print the share of lawful texts for each label and each trade that it occurs in."""
        table = Table(title="各标签所在行业的合规文本占比")
        for title in ("标签", "行业", "违规（条）", "合规占比"):
            table.add_column(title)
        for cell in self.cells:
            table.add_row(load_taxonomy()[cell.label].name, cell.trade, str(cell.texts), f"{cell.lawful_share:.0%}")
        console.print(table)


def _by_label(rows: Sequence[Row], values: Iterable[str]) -> Counter[tuple[str, str]]:
    return Counter((label, value) for row, value in zip(rows, values, strict=True) for label in row.labels)


def coverage_of(rows: Sequence[Row]) -> Coverage:
    """Count what rows cover."""
    trades = [trade_of(row.category) for row in rows]
    total = Counter(trades)
    lawful = Counter(trade for trade, row in zip(trades, rows, strict=True) if not row.labels and not row.unclear)
    cells = [
        Cell(label, trade, texts, lawful[trade] / total[trade])
        for (label, trade), texts in sorted(_by_label(rows, trades).items())
    ]
    return Coverage(
        cells=tuple(cells),
        lengths=_by_label(rows, (length_of(row.text) for row in rows)),
        kinds=_by_label(rows, (str(row.kind) for row in rows)),
        media=_by_label(rows, (medium_of(row.category) for row in rows)),
        provinces=_by_label(rows, map(province_of, rows)),
        wordings=_by_label(rows, (wording_of(row.text) for row in rows)),
        speakers=_by_label(rows, (speaker_of(row.text) for row in rows)),
    )


def coverage(paths: Iterable[Path]) -> Coverage:
    """Count what corpus files cover; raises CorpusError."""
    return coverage_of(read_corpus(list(paths)))
