"""Checks corpus files: every line's schema, repeats, contradictions; and counts what is there."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasketch import MinHash, MinHashLSH
from rich.console import Console
from rich.table import Table

from screening.normalise import normalise
from screening.taxonomy import KINDS, load_taxonomy
from training.corpus import Row, corpus_files, parse_lines
from training.coverage import trade_of

NEAR = 0.8
SHINGLE = 3
PERMUTATIONS = 64
MOST_SHOWN = 50
MOST_CATEGORIES = 3


@dataclass(frozen=True)
class Place:
    """Where a row stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file} 第 {self.line} 行"


@dataclass
class ValidationReport:
    """Errors must be mended; warnings are to be looked at; counts per label, kind and category.

    `near` counts near repeats: across the split (True) and within one side of it (False).
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    near: Counter[bool] = field(default_factory=Counter)

    def show(self, console: Console) -> None:
        """Print the report."""
        for title, lines in (("错误", self.errors), ("提示", self.warnings)):
            for line in lines[:MOST_SHOWN]:
                console.print(f"{title}：{line}", markup=False, highlight=False)
            if len(lines) > MOST_SHOWN:
                console.print(f"……另有 {len(lines) - MOST_SHOWN} 条{title}")
        console.print(_counts(self.rows))
        console.print(_by_category(self.rows))
        for kind in KINDS:
            own = [row for row in self.rows if row.kind == kind]
            compliant = sum(not row.labels for row in own)
            console.print(f"{kind}：{len(own)} 条，合规 {compliant / max(1, len(own)):.0%}")
        console.print(f"近似重复：同在训练或同在检验 {self.near[False]} 对，跨训练与检验 {self.near[True]} 对")
        twice = sum(row.readings > 1 for row in self.rows)
        console.print(
            f"共 {len(self.rows)} 条，其中两人以上标注 {twice} 条；错误 {len(self.errors)}，提示 {len(self.warnings)}"
        )


def _counts(rows: Sequence[Row]) -> Table:
    table = Table(title="各标签数量")
    for title in ("标签", "名称", "条数", "存疑", "有标注", "类别数"):
        table.add_column(title)
    for label in load_taxonomy().labels:
        own = [row for row in rows if label.code in row.labels]
        unclear = sum(label.code in row.unclear for row in rows)
        marked = sum(any(span.label == label.code for span in row.spans) for row in own)
        categories = len({row.category for row in own})
        table.add_row(label.code, label.name, *map(str, (len(own), unclear, marked, categories)))
    return table


def _by_category(rows: Sequence[Row]) -> Table:
    """Count the texts of each trade by kind, and name its most frequent categories, which are free text."""
    table = Table(title="各行业数量")
    for title in ("行业", "条数", *KINDS, "合规", "类别数", "最多的类别"):
        table.add_column(title)
    trades: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        trades[trade_of(row.category)].append(row)
    for trade, own in sorted(trades.items(), key=lambda item: -len(item[1])):
        kinds = Counter(row.kind for row in own)
        categories = Counter(row.category for row in own)
        frequent = "、".join(f"{name} {count}" for name, count in categories.most_common(MOST_CATEGORIES))
        compliant = sum(not row.labels for row in own) / len(own)
        counts = (str(kinds[kind]) for kind in KINDS)
        table.add_row(trade, str(len(own)), *counts, f"{compliant:.0%}", str(len(categories)), frequent)
    return table


def _sketch(text: str) -> MinHash:
    sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update_batch([text[i : i + SHINGLE].encode() for i in range(max(1, len(text) - SHINGLE + 1))])
    return sketch


def _repeats(placed: Sequence[tuple[Place, Row]], held_out: Collection[str], report: ValidationReport) -> None:
    """Find equal texts (an error), equal texts with other labels, and near repeats (a warning).

    Near repeats of a held-out text among the texts to learn from are told apart: they flatter the measure.
    """
    first: dict[tuple[str, str, str], tuple[Place, Row]] = {}
    near = MinHashLSH(threshold=NEAR, num_perm=PERMUTATIONS)
    places: dict[str, tuple[Place, Row]] = {}
    for number, (place, row) in enumerate(placed):
        text = "".join(filter(str.isalnum, normalise(row.text).text)) or row.text
        key = (text, row.kind, row.category)
        if key in first:
            other_place, other = first[key]
            what = "重复" if set(other.labels) == set(row.labels) else "同文异标"
            report.errors.append(f"{place} 与 {other_place} {what}")
            continue
        first[key] = (place, row)
        sketch = _sketch(text)
        neighbours = [places[name] for name in near.query(sketch)]
        # one that stands on the other side of the split is told of first
        neighbours.sort(key=lambda own: (row.id in held_out) == (own[1].id in held_out))
        for other_place, other in neighbours[:1]:
            across = (row.id in held_out) != (other.id in held_out)
            report.near[across] += 1
            where = "（一条用于训练，一条留作检验）" if across else ""
            report.warnings.append(f"{place} 与 {other_place} 近似重复{where}")
        name = str(number)
        near.insert(name, sketch)
        places[name] = place, row


def validate(paths: Iterable[Path], held_out: Collection[str] = ()) -> ValidationReport:
    """Check all files together; raises CorpusError where there is none, EncodingError for an unknown encoding.

    `held_out` are the ids of the texts that a training run keeps for its measure.
    """
    report = ValidationReport()
    placed: list[tuple[Place, Row]] = []
    ids: dict[str, list[Place]] = defaultdict(list)
    for file in corpus_files(paths):
        for number, row in parse_lines(file):
            place = Place(file.name, number)
            if isinstance(row, str):
                report.errors.append(f"{place}：{row}")
                continue
            placed.append((place, row))
            ids[row.id].append(place)
    for name, where in ids.items():
        if len(where) > 1:
            report.errors.append(f"{where[1]}：编号 {name} 已用于 {where[0]}")
    _repeats(placed, held_out, report)
    report.rows = [row for _, row in placed]
    counted = Counter(code for row in report.rows for code in row.labels)
    report.warnings += [f"标签 {code} 没有文本" for code in load_taxonomy().codes if not counted[code]]
    return report
