"""Measures of multi-label decisions; labels that are unclear for a text are left out for that text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]


def macro_average_precision(targets: Matrix, scores: Matrix, known: Mask) -> float:
    """Return the mean over labels, with a positive among the known ones, of average precision."""
    values = []
    for label in range(targets.shape[1]):
        rows = known[:, label]
        truth = targets[rows, label] > 0.5  # noqa: PLR2004
        if truth.any():
            values.append(average_precision_score(truth, scores[rows, label]))
    return float(np.mean(values)) if values else 0.0


@dataclass(frozen=True)
class Quality:
    """The figures that a model is judged by; each is 0 to 1."""

    macro_f1: float
    micro_f1: float
    found: float
    false_alarms: float


def f1(true: float, wrong: float, missed: float) -> float:
    """Return F1 of counts: true positives, false positives, false negatives."""
    return float(2 * true / (2 * true + wrong + missed)) if true else 0.0


def counts(targets: Matrix, given: Mask, known: Mask) -> NDArray[np.int64]:
    """Return true positives, false positives and false negatives per label, (labels, 3)."""
    truth = targets > 0.5  # noqa: PLR2004
    cells = (truth & given & known, ~truth & given & known, truth & ~given & known)
    return np.stack([cell.sum(0) for cell in cells], axis=1)


def quality(targets: Matrix, given: Mask, known: Mask) -> Quality:
    """Judge decisions (texts, labels); macro-F1 is over labels with a positive text."""
    table = counts(targets, given, known)
    supported = [row for row in table if row[0] + row[2]]
    truth = (targets > 0.5) & known  # noqa: PLR2004
    violating, compliant = truth.any(1), ~truth.any(1) & known.all(1)
    total = table.sum(0)
    return Quality(
        macro_f1=float(np.mean([f1(*row) for row in supported])) if supported else 0.0,
        micro_f1=f1(*total),
        found=float(given[violating].any(1).mean()) if violating.any() else 0.0,
        false_alarms=float(given[compliant].any(1).mean()) if compliant.any() else 0.0,
    )
