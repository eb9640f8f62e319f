"""Compares the decisions of torch, ONNX fp32 and ONNX int8 at the real thresholds."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from screening.artifact import Decision
from screening.classifier import Input
from screening.screener import probabilities
from training.metrics import Matrix

# Inputs at the edges: nothing, one character, emoji only, more than the network reads, repeated and mixed scripts.
EDGES = (
    Input(""),
    Input("好"),
    Input("😀🎉🔥"),
    Input("保证治愈糖尿病，" * 100, "ad", "普通食品"),
    Input("a" * 600, "product"),
    Input("最终解释权归本店所有", "clause", "长" * 200),
    Input("ABC 123 ---", None, ""),
)


class Parity(BaseModel):
    """Flipped decisions, of texts * labels, against torch; and the largest difference of a probability."""

    model_config = ConfigDict(frozen=True)

    texts: int
    decisions: int
    fp32_flips: int
    int8_flips: int
    fp32_largest_difference: float
    int8_largest_difference: float
    int8_flips_by_label: dict[str, int]


def compare(decisions: Sequence[Decision], torch: Matrix, fp32: Matrix, int8: Matrix) -> Parity:
    """Count where the decisions part that the logits (texts, labels) of the three lead to, each with the wide part."""
    thresholds = np.array([decision.threshold for decision in decisions])
    reference = probabilities(torch, decisions)
    values = [probabilities(logits, decisions) for logits in (fp32, int8)]
    flips = [(value >= thresholds) != (reference >= thresholds) for value in values]
    differences = [float(np.abs(value - reference).max()) for value in values]
    by_label = {d.label: int(n) for d, n in zip(decisions, flips[1].sum(0), strict=True) if n}
    return Parity(
        texts=len(reference),
        decisions=int(reference.size),
        fp32_flips=int(flips[0].sum()),
        int8_flips=int(flips[1].sum()),
        fp32_largest_difference=round(differences[0], 6),
        int8_largest_difference=round(differences[1], 6),
        int8_flips_by_label=by_label,
    )
