"""Finds corpus labels that a model contradicts with confidence, so that the texts are read again.

Confident learning (Northcutt et al. 2021, JAIR 70) by out-of-fold probabilities of the wide part, which is trained in a
minute: a text without a label whose probability is as high as that of texts with it on average, or the reverse.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from screening.taxonomy import load_taxonomy
from training.corpus import Row
from training.examples import example, targets_and_known
from training.split import stratified_folds
from training.wide import train_wide, wide_logits

FOLDS = 4
SEED = 3
# The average over fewer texts with a label says nothing.
LEAST_TEXTS = 10


class Doubt(BaseModel):
    """A label that is given, or not given, against the model's confidence; `margin` is how far beyond the average."""

    id: str
    label: str
    given: bool
    probability: float
    margin: float


def find_doubts(rows: Sequence[Row], folds: int = FOLDS) -> list[Doubt]:
    """Return the doubts, the greatest margin first; unclear labels are in doubt already and are left out."""
    labels = load_taxonomy().codes
    items = [example(row, labels) for row in rows]
    fold_of = np.array(stratified_folds(rows, folds, SEED))
    values = np.zeros((len(rows), len(labels)), dtype=np.float32)
    for fold in range(folds):
        model = train_wide([item for item, own in zip(items, fold_of, strict=True) if own != fold])
        kept = np.flatnonzero(fold_of == fold)
        values[kept] = 1 / (1 + np.exp(-wide_logits(model, [items[i].input for i in kept])))
    targets, known = targets_and_known(items)
    truth = targets > 0.5  # noqa: PLR2004
    doubts = []
    for column, label in enumerate(labels):
        own = values[:, column]
        positive, negative = known[:, column] & truth[:, column], known[:, column] & ~truth[:, column]
        if positive.sum() < LEAST_TEXTS or not negative.any():
            continue
        high, low = float(own[positive].mean()), float(own[negative].mean())
        margins = np.where(positive, low - own, np.where(negative, own - high, -1.0))
        doubts += [
            Doubt(
                id=rows[int(i)].id,
                label=label,
                given=bool(truth[i, column]),
                probability=round(float(own[i]), 4),
                margin=round(float(margins[i]), 4),
            )
            for i in np.flatnonzero(margins >= 0)
        ]
    return sorted(doubts, key=lambda doubt: -doubt.margin)
