"""Measures a model on category twins: the same words on two sorts of goods, unlawful on the one alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from rich.console import Console
from rich.table import Table

from screening.screener import Screener, TextInput
from screening.taxonomy import Kind, load_taxonomy
from screening.textfile import read_text_file
from training.corpus import CorpusError, faults


class Twin(BaseModel):
    """A text that has the label on goods of the category `unlawful`, and not on those of the category `lawful`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    kind: Kind
    label: str
    unlawful: str = Field(alias="with")
    lawful: str = Field(alias="without")

    @field_validator("label")
    @classmethod
    def _is_known(cls, label: str) -> str:
        if label not in load_taxonomy():
            raise ValueError(f"未知标签 {label}")
        return label


class TwinCounts(BaseModel):
    """Of how many pairs the label is found on the right category alone, on both, on neither, on the wrong one alone."""

    pairs: int
    told_apart: int
    both: int
    neither: int
    wrong_one: int


class TwinQuality(BaseModel):
    """The counts of all pairs, and by label."""

    total: TwinCounts
    by_label: dict[str, TwinCounts]

    def show(self, console: Console) -> None:
        """Print a line for each label and one for all."""
        table = Table(title="同一文本、两种类别：标签只应在一种类别下检出")
        for title in ("标签", "对数", "区分正确", "均检出", "均未检出", "检出相反"):
            table.add_column(title)
        names = {label: load_taxonomy()[label].name for label in self.by_label}
        for name, own in [*((names[label], own) for label, own in self.by_label.items()), ("合计", self.total)]:
            table.add_row(name, *map(str, own.model_dump().values()))
        console.print(table)


def read_twins(path: Path) -> list[Twin]:
    """Read a JSONL file of category twins; raises CorpusError at the first bad line."""
    twins = []
    for number, line in enumerate(read_text_file(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            twins.append(Twin.model_validate_json(line))
        except ValidationError as error:
            raise CorpusError(f"{path.name} 第 {number} 行：{faults(error)}") from error
    return twins


def _counts(outcomes: Iterable[tuple[bool, bool]]) -> TwinCounts:
    """Count pairs; an outcome tells whether the label is found on the unlawful category, and on the lawful one."""
    count = Counter(outcomes)
    return TwinCounts(
        pairs=count.total(),
        told_apart=count[True, False],
        both=count[True, True],
        neither=count[False, False],
        wrong_one=count[False, True],
    )


def measure_twins(screener: Screener, twins: Sequence[Twin]) -> TwinQuality:
    """Screen each text under both categories, and count how often its label tells them apart."""

    def found(categories: Iterable[str]) -> list[bool]:
        items = [TextInput(twin.text, twin.kind, own) for twin, own in zip(twins, categories, strict=True)]
        results = zip(twins, screener.screen(items), strict=True)
        return [twin.label in {finding.label for finding in result.findings} for twin, result in results]

    outcomes = list(zip(found(own.unlawful for own in twins), found(own.lawful for own in twins), strict=True))
    labelled = [(twin.label, outcome) for twin, outcome in zip(twins, outcomes, strict=True)]
    labels = [code for code in load_taxonomy().codes if any(code == label for label, _ in labelled)]
    return TwinQuality(
        total=_counts(outcomes),
        by_label={code: _counts(outcome for label, outcome in labelled if label == code) for code in labels},
    )
