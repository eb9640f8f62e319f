"""Judges a model on labelled texts, beside the two baselines; the labels counted are those of the taxonomy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from screening.classifier import Input
from screening.normalise import normalise
from screening.screener import Screener, TextInput, probabilities
from screening.taxonomy import load_taxonomy
from training.baselines import KeywordList, LinearModel
from training.calibrate import decide
from training.corpus import Row, read_corpus, read_loosely
from training.examples import example, targets_and_known
from training.metrics import Quality, counts, f1, quality
from training.split import stratified_folds

HELD_OUT_FOLDS = 12
SEED = 7


class LabelQuality(BaseModel):
    """How well one label is decided; `gold` counts its texts, `given` the decisions for it."""

    label: str
    f1: float
    precision: float
    recall: float
    gold: int
    given: int


class Report(BaseModel):
    """The quality of each system, by name, and of the model's labels."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    texts: int
    model_version: str
    systems: dict[str, Quality]
    labels: list[LabelQuality]

    def show(self, console: Console) -> None:
        """Print the report."""
        table = Table(title=f"{self.texts} 条文本，模型 {self.model_version}")
        for title in ("系统", "macro-F1", "micro-F1", "违规检出", "误报"):
            table.add_column(title)
        for name, own in self.systems.items():
            table.add_row(name, *(f"{x:.3f}" for x in (own.macro_f1, own.micro_f1, own.found, own.false_alarms)))
        console.print(table)
        table = Table()
        for title in ("标签", "F1", "查准", "查全", "标准", "给出"):
            table.add_column(title)
        for row in sorted(self.labels, key=lambda row: row.f1):
            figures = (f"{x:.2f}" for x in (row.f1, row.precision, row.recall))
            table.add_row(row.label, *figures, str(row.gold), str(row.given))
        console.print(table)


def _model_decisions(screener: Screener, rows: Sequence[Row]) -> NDArray[np.bool_]:
    results = screener.screen([TextInput(row.text, row.kind, row.category) for row in rows])
    found = [{finding.label for finding in result.findings} for result in results]
    return np.array([[code in labels for code in screener.taxonomy.codes] for labels in found])


def _label_quality(label: str, true: int, wrong: int, missed: int) -> LabelQuality:
    return LabelQuality(
        label=label,
        f1=f1(true, wrong, missed),
        precision=true / (true + wrong) if true + wrong else 0.0,
        recall=true / (true + missed) if true + missed else 0.0,
        gold=true + missed,
        given=true + wrong,
    )


def _linear_decisions(labels: Sequence[str], rows: Sequence[Row], inputs: Sequence[Input]) -> NDArray[np.bool_]:
    """Train the linear baseline; its thresholds are chosen on held-out rows as the model's are."""
    folds = stratified_folds(rows, HELD_OUT_FOLDS, SEED)
    model = LinearModel(labels).fit([row for row, fold in zip(rows, folds, strict=True) if fold])
    held_out = [example(row, labels) for row, fold in zip(rows, folds, strict=True) if not fold]
    targets, known = targets_and_known(held_out)
    decisions = decide(labels, targets, model.logits([item.input for item in held_out]), known)
    return probabilities(model.logits(inputs), decisions) >= np.array([decision.threshold for decision in decisions])


def evaluate(gold: Path, corpus: Sequence[Path], model: Path | None = None) -> Report:
    """Judge the model (the one in service by default) and both baselines on the gold file."""
    labels = load_taxonomy().codes
    rows = read_loosely([gold])
    targets = np.array([[code in row.labels for code in labels] for row in rows], dtype=np.float32)
    known = np.array([[code not in row.unclear for code in labels] for row in rows])
    inputs = [Input(normalise(row.text).text, row.kind, row.category) for row in rows]
    screener = Screener.load(model)
    own = _model_decisions(screener, rows)
    linear = _linear_decisions(labels, read_corpus(corpus), inputs)
    systems = {"明鉴": own, "TF-IDF 线性模型": linear, "关键词表": KeywordList(labels).decide(inputs)}
    table = counts(targets, own, known)
    return Report(
        texts=len(rows),
        model_version=screener.version,
        systems={name: quality(targets, given, known) for name, given in systems.items()},
        labels=[_label_quality(label, *map(int, row)) for label, row in zip(labels, table, strict=True)],
    )
