"""Averages the weights of models that went on from one another, which serves better than either.

Model soups (Wortsman et al. 2022, arXiv 2203.05482).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from screening.artifact import TOKENIZER
from training.config import ConfigError
from training.model import TextClassifier
from training.split import SPLIT_FILE


def merge(run: Path, others: Sequence[Path], out: Path) -> None:
    """Write to `out` a run whose model has the mean weights of a run's model and of other models.

    The others are models or artifacts of the same layers, labels and tokenizer; raises ConfigError where one is not.
    The settings and the texts held out are those of the run.
    """
    merged = TextClassifier.load(run / "model")
    tokenizer = run / "model" / TOKENIZER
    states = [merged.state_dict()]
    for folder in others:
        other = TextClassifier.load(folder)
        state = other.state_dict()
        alike = {name: own.shape for name, own in state.items()} == {name: own.shape for name, own in states[0].items()}
        if not alike or other.labels != merged.labels or (folder / TOKENIZER).read_bytes() != tokenizer.read_bytes():
            raise ConfigError(f"模型 {folder.name} 的结构、标签或词表与 {run.name} 不同，不能合并")
        states.append(state)
    merged.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    merged.save(out / "model", tokenizer)
    for name in ("config.json", SPLIT_FILE):
        shutil.copy(run / name, out / name)
