"""A sweep: trainings that differ from one another in one setting each, judged alike, as rows of a table."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from screening.artifact import TOKENIZER
from screening.classifier import load_tokenizer
from screening.errors import MingjianError
from training.config import ConfigError, TrainConfig
from training.corpus import read_loosely
from training.examples import example, targets_and_known
from training.metrics import macro_average_precision, quality
from training.model import TextClassifier
from training.train import PROBE_THRESHOLD, Training, predict

FIGURES = "figures.json"


class Change(BaseModel):
    """One row: its folder's name, what a reader calls it, and the settings in which it differs from the basis."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: str
    settings: dict[str, Any] = {}


class SweepConfig(BaseModel):
    """The settings that all rows share, and the rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    basis: dict[str, Any]
    rows: Annotated[tuple[Change, ...], Field(min_length=1)]

    def training(self, row: Change) -> TrainConfig:
        """Return the settings of a row's training; raises ConfigError."""
        try:
            return TrainConfig.model_validate(self.basis | row.settings)
        except ValidationError as error:
            raise ConfigError(f"对比试验 {row.name} 的设置有误：{error}") from error


class Figures(BaseModel):
    """What a row has come to: the network alone, with one threshold for all labels."""

    name: str
    title: str
    texts: int
    held_out: dict[str, float]
    judged: dict[str, float] = {}


def read_sweep(path: Path) -> SweepConfig:
    """Read a sweep's settings; raises ConfigError with every fault named."""
    try:
        return SweepConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValidationError, yaml.YAMLError) as error:
        raise ConfigError(f"对比试验的配置 {path} 有误：{error}") from error


def _judge(folder: Path, gold: Path, max_tokens: int) -> dict[str, float]:
    """Judge a network alone on labelled texts that are no part of the corpus."""
    model = TextClassifier.load(folder)
    items = [example(row, model.labels) for row in read_loosely([gold])]
    targets, known = targets_and_known(items)
    tokenizer = load_tokenizer(folder / TOKENIZER, max_tokens)
    logits, _, _ = predict(model, [item.input for item in items], tokenizer, gold.name)
    given = 1 / (1 + np.exp(-logits)) >= PROBE_THRESHOLD
    return {"macro_ap": macro_average_precision(targets, logits, known), **asdict(quality(targets, given, known))}


def run_sweep(config: SweepConfig, out: Path, gold: Path | None = None, names: Sequence[str] = ()) -> list[Figures]:
    """Train the named rows (all by default) in folders of `out`, and return the figures of every row that is done.

    A row that is done is not trained again, one that was broken off goes on where it was. Raises MingjianError at an
    unknown name.
    """
    known = {row.name: row for row in config.rows}
    if unknown := [name for name in names if name not in known]:
        raise MingjianError(f"没有这一项对比试验：{unknown[0]}（可选 {'、'.join(known)}）")
    settings = {row.name: config.training(row) for row in config.rows}
    for name in names or known:
        folder = out / name
        if (folder / FIGURES).exists():
            continue
        run = Training(settings[name], folder)
        model = run.run()
        best = max(run.history, key=lambda figures: figures["macro_ap"])
        judged = _judge(model, gold, run.config.max_tokens) if gold else {}
        own = Figures(name=name, title=known[name].title, texts=len(run.examples), held_out=best, judged=judged)
        (folder / FIGURES).write_text(own.model_dump_json(indent=1), encoding="utf-8")
        run.checkpoint.unlink()
    done = [out / name / FIGURES for name in known]
    return [Figures.model_validate_json(file.read_text(encoding="utf-8")) for file in done if file.exists()]


def sweep_table(rows: Sequence[Figures]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| change | texts | held out: AP, macro-F1 | judged: AP, macro-F1 / found / alarms |",
        "|---|---|---|---|",
    ]
    for row in rows:
        held, judged = row.held_out, row.judged
        other = "–"
        if judged:
            other = f"{judged['macro_ap']:.3f}, " + " / ".join(
                f"{judged[name]:.3f}" for name in ("macro_f1", "found", "false_alarms")
            )
        lines.append(f"| {row.title} | {row.texts:,} | {held['macro_ap']:.3f}, {held['macro_f1']:.3f} | {other} |")
    return "\n".join(lines)
