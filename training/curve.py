"""The learning curve: how good a model of character n-grams is with a part of the corpus, by origin of the texts.

The wide part stands for the whole model here, as it is trained in a minute where the network takes hours: the curve
says whether more texts, and of which origin, still help.
"""

from collections.abc import Sequence
from typing import get_args

import numpy as np
from pydantic import BaseModel

from screening.screener import probabilities
from screening.taxonomy import load_taxonomy
from training.calibrate import decide
from training.config import Origin
from training.corpus import Row, of_origin
from training.examples import example, targets_and_known
from training.metrics import macro_average_precision, quality
from training.wide import train_wide, wide_logits

PARTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
SEED = 5
ORIGINS: tuple[Origin, ...] = get_args(Origin)


class CurvePoint(BaseModel):
    """Macro-F1 (at thresholds chosen on the held-out texts) and macro average precision after `texts` texts."""

    origin: str
    texts: int
    macro_f1: float
    macro_ap: float


def learning_curve(rows: Sequence[Row], held_out: Sequence[Row], parts: Sequence[float] = PARTS) -> list[CurvePoint]:
    """Train on growing parts of `rows` (drawn once, each part within the next) and judge each on `held_out`."""
    labels = load_taxonomy().codes
    items = [example(row, labels) for row in held_out]
    inputs = [item.input for item in items]
    targets, known = targets_and_known(items)
    points = []
    for origin in ORIGINS:
        own = of_origin(rows, origin)
        order = np.random.default_rng(SEED).permutation(len(own))
        for part in parts:
            chosen = [example(own[i], labels) for i in order[: round(len(own) * part)]]
            logits = wide_logits(train_wide(chosen), inputs)
            decisions = decide(labels, targets, logits, known)
            given = probabilities(logits, decisions) >= np.array([decision.threshold for decision in decisions])
            points.append(
                CurvePoint(
                    origin=origin,
                    texts=len(chosen),
                    macro_f1=round(quality(targets, given, known).macro_f1, 3),
                    macro_ap=round(macro_average_precision(targets, logits, known), 3),
                )
            )
    return points
