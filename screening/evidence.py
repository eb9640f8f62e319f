"""Turns the tokens' parts in a logit into the words that show a label."""

from collections.abc import Sequence
from dataclasses import dataclass

from screening.classifier import Floats

# Chosen on half of the held-out texts with marked words, and as good on the other half.
RELATIVE_FLOOR = 0.05
MAX_SPANS = 3
MAX_GAP_TOKENS = 3


@dataclass(frozen=True)
class Span:
    """Characters start:end of the text that the network read, and their share of the label's positive evidence."""

    start: int
    end: int
    weight: float


def evidence_spans(contributions: Floats, offsets: Sequence[tuple[int, int]]) -> list[Span]:
    """Return the spans whose tokens speak most for a label, strongest first.

    `contributions` (tokens,) are the tokens' parts in the logit. Tokens with at least RELATIVE_FLOOR of the strongest
    one's part count; those with at most MAX_GAP_TOKENS weak ones between them join into a span. At most three spans are
    given; none where no token speaks for the label.
    """
    positive = contributions.clip(min=0)
    total = float(positive.sum())
    if total <= 0:
        return []
    floor = RELATIVE_FLOOR * float(positive.max())
    strong = [i for i in range(len(offsets)) if positive[i] >= floor and offsets[i][1] > offsets[i][0]]
    runs: list[list[int]] = []
    for i in strong:
        if runs and i - runs[-1][-1] <= MAX_GAP_TOKENS + 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    spans = [
        Span(offsets[run[0]][0], offsets[run[-1]][1], float(positive[run[0] : run[-1] + 1].sum()) / total)
        for run in runs
    ]
    return sorted(spans, key=lambda span: -span.weight)[:MAX_SPANS]
