"""Measures a model on texts whose words are hidden as sellers hide them: what it still finds, and what it raises."""

from collections import defaultdict
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


def hidden_set(rows: Sequence[Row], texts: int = TEXTS) -> list[Row]:
    """Return some of the texts (rows), evenly spread, and their twins hidden in each way, the same ones each time.

    The id of a twin is that of its text, "~" and the way.
    """
    sound = [row for row in rows if row.labels or not row.unclear]
    chosen = sound[:: max(1, len(sound) // texts)][:texts]
    evader = Evader([row.text for row in chosen])
    twins = []
    for way in evader.changes:
        draw = np.random.default_rng(SEED)
        twins += [twin for row in chosen if (twin := evader.twin(row, way, draw))]
    return chosen + twins


def measure_robustness(rows: Sequence[Row], classifier: Classifier, decisions: Sequence[Decision]) -> Robustness:
    """Compare texts with their hidden twins; `rows` are those of `hidden_set`."""
    thresholds = np.array([decision.threshold for decision in decisions])
    labels = [decision.label for decision in decisions]
    outputs = classifier.run([example(row, labels).input for row in rows])
    given = probabilities(np.stack([output.logits for output in outputs]), decisions) >= thresholds
    found = {
        row.id: {label for label, own in zip(labels, line, strict=True) if own}
        for row, line in zip(rows, given, strict=True)
    }
    plain = {row.id: row for row in rows if "~" not in row.id}
    ways: dict[str, list[tuple[Row, set[str]]]] = defaultdict(list)
    for name, own in found.items():
        origin, hidden, way = name.rpartition("~")
        if hidden:
            ways[way].append((plain[origin], own))

    def kept(pairs: Sequence[tuple[Row, set[str]]]) -> float:
        right = [(found[row.id] & set(row.labels), own) for row, own in pairs]
        again = sum(len(one & other) for one, other in right)
        return round(again / max(1, sum(len(one) for one, _ in right)), 3)

    def alarms(findings: Sequence[set[str]]) -> float:
        return round(sum(map(bool, findings)) / max(1, len(findings)), 3)

    return Robustness(
        found={way: kept(pairs) for way, pairs in ways.items()},
        alarms={way: alarms([own for row, own in pairs if not row.labels]) for way, pairs in ways.items()},
        plain_alarms=alarms([found[row.id] for row in plain.values() if not row.labels]),
    )
