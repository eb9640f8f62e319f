"""Measures a model on texts whose words are hidden as sellers hide them: what it still finds, and what it raises."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from screening.artifact import Decision
from screening.classifier import Classifier
from screening.screener import probabilities
from training.corpus import Row
from training.evasion import Evader
from training.examples import example

SEED = 11
# So many texts are enough to tell the ways of hiding apart, and take a minute.
TEXTS = 1000


class Robustness(BaseModel):
    """`found`: labels found in plain texts that are found in their twins, by way of hiding.

    `alarms`: lawful texts with a finding once some of their words are hidden; `plain_alarms`: as they stand.
    """

    found: dict[str, float]
    alarms: dict[str, float]
    plain_alarms: float


def measure_robustness(rows: Sequence[Row], classifier: Classifier, decisions: Sequence[Decision]) -> Robustness:
    """Compare some of the texts (rows), evenly spread, with their hidden twins, the same ones each time."""
    rows = rows[:: max(1, len(rows) // TEXTS)]
    thresholds = np.array([decision.threshold for decision in decisions])
    labels = [decision.label for decision in decisions]

    def found(texts: Sequence[Row]) -> list[set[str]]:
        outputs = classifier.run([example(row, labels).input for row in texts])
        values = probabilities(np.stack([output.logits for output in outputs]), decisions)
        return [{label for label, given in zip(labels, row, strict=True) if given} for row in values >= thresholds]

    def share_with_finding(texts: Sequence[Row]) -> float:
        return round(sum(map(bool, found(texts))) / len(texts), 3) if texts else 0.0

    evader = Evader([row.text for row in rows])
    lawful = [row for row in rows if not row.labels and not row.unclear]
    kept, alarms = {}, {}
    for way in evader.changes:
        draw = np.random.default_rng(SEED)
        pairs = [(row, twin) for row in rows if row.labels and (twin := evader.twin(row, way, draw))]
        plain, hidden = (found([pair[side] for pair in pairs]) for side in (0, 1))
        own = [found_plain & set(row.labels) for found_plain, (row, _) in zip(plain, pairs, strict=True)]
        again = sum(len(one & other) for one, other in zip(own, hidden, strict=True))
        kept[way] = round(again / max(1, sum(map(len, own))), 3)
        alarms[way] = share_with_finding([twin for row in lawful if (twin := evader.twin(row, way, draw))])
    return Robustness(found=kept, alarms=alarms, plain_alarms=share_with_finding(lawful))
