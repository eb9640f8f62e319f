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
    rows = [row for row in rows[:: max(1, len(rows) // TEXTS)] if row.labels or not row.unclear]
    thresholds = np.array([decision.threshold for decision in decisions])
    labels = [decision.label for decision in decisions]

    def found(texts: Sequence[Row]) -> list[set[str]]:
        outputs = classifier.run([example(row, labels).input for row in texts])
        values = probabilities(np.stack([output.logits for output in outputs]), decisions)
        return [{label for label, given in zip(labels, row, strict=True) if given} for row in values >= thresholds]

    def alarms_of(findings: Sequence[set[str]]) -> float:
        return round(sum(map(bool, findings)) / max(1, len(findings)), 3)

    evader = Evader([row.text for row in rows])
    plain = {row.id: own for row, own in zip(rows, found(rows), strict=True)}
    kept, alarms = {}, {}
    for way in evader.changes:
        draw = np.random.default_rng(SEED)
        pairs = [(row, twin) for row in rows if (twin := evader.twin(row, way, draw))]
        hidden = found([twin for _, twin in pairs])
        own = [plain[row.id] & set(row.labels) for row, _ in pairs]
        again = sum(len(one & other) for one, other in zip(own, hidden, strict=True))
        kept[way] = round(again / max(1, sum(map(len, own))), 3)
        alarms[way] = alarms_of([other for (row, _), other in zip(pairs, hidden, strict=True) if not row.labels])
    return Robustness(
        found=kept, alarms=alarms, plain_alarms=alarms_of([plain[row.id] for row in rows if not row.labels])
    )
