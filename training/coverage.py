"""Shows what a corpus covers: each label by trade, length and kind; and the shares of lawful texts of the same trades.

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
def _trades() -> dict[str, tuple[str, ...]]:
    table = yaml.safe_load(data_file("trades.yaml").read_text(encoding="utf-8"))
    return {trade: tuple(words) for trade, words in table.items()}


def trade_of(category: str) -> str:
    """Return the trade of a category."""
    found = (trade for trade, words in _trades().items() if any(word in category for word in words))
    return next(found, OTHER)


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
    """What a corpus covers."""

    cells: tuple[Cell, ...]
    lengths: dict[tuple[str, str], int]
    kinds: dict[tuple[str, str], int]

    def show(self, console: Console) -> None:
        """Print the counts, the empty cells and the one-sided trades."""
        table = Table(title="各标签的覆盖")
        for title in ("标签", "行业数", *LENGTHS, *KINDS, "空缺的行业"):
            table.add_column(title)
        trades = [*_trades(), OTHER]
        for label in load_taxonomy().labels:
            own = {cell.trade: cell.texts for cell in self.cells if cell.label == label.code}
            counts = [str(self.lengths[label.code, name]) for name in LENGTHS]
            kinds = [str(self.kinds[label.code, kind]) for kind in KINDS]
            missing = [trade for trade in trades if trade not in own]
            table.add_row(label.name, str(len(own)), *counts, *kinds, "、".join(missing))
        console.print(table)
        one_sided = [cell for cell in self.cells if cell.is_one_sided]
        console.print(f"合规文本不足 {LEAST_LAWFUL:.0%} 的“标签—行业”共 {len(one_sided)} 处")
        for cell in sorted(one_sided, key=lambda own: own.lawful_share):
            line = f"{cell.label} 在{cell.trade}：违规 {cell.texts} 条，该行业合规文本占 {cell.lawful_share:.0%}"
            console.print(line, highlight=False)


def coverage_of(rows: Sequence[Row]) -> Coverage:
    """Count what rows cover."""
    trades = [trade_of(row.category) for row in rows]
    total = Counter(trades)
    lawful = Counter(trade for trade, row in zip(trades, rows, strict=True) if not row.labels and not row.unclear)
    by_trade = Counter((label, trade) for trade, row in zip(trades, rows, strict=True) for label in row.labels)
    cells = [
        Cell(label, trade, texts, lawful[trade] / total[trade]) for (label, trade), texts in sorted(by_trade.items())
    ]
    lengths = Counter((label, length_of(row.text)) for row in rows for label in row.labels)
    kinds = Counter((label, str(row.kind)) for row in rows for label in row.labels)
    return Coverage(tuple(cells), lengths, kinds)


def coverage(paths: Iterable[Path]) -> Coverage:
    """Count what corpus files cover; raises CorpusError."""
    return coverage_of(read_corpus(list(paths)))
