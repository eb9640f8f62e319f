"""Chooses, on held-out texts, how each label's logit becomes a probability and a decision."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from screening.artifact import Decision
from training.metrics import Mask, Matrix

MIN_POSITIVES = 50
GRID = np.round(np.arange(0.10, 0.91, 0.02), 2)
# A label's own counts are joined with this share of the counts of all labels: with few positives of its own its
# threshold stays near the common one. Between halves of the held-out texts, 1 to 5 did best.
COMMON_SHARE = 1.0
REVIEW_RATIO = 0.5
LARGEST_REVIEW = 0.35
MIN_SLOPE = 0.2
# A violation that is missed costs more than a text that is read in vain.
RECALL_WEIGHT = 2.0
# An inspector's trust goes with false alarms. Most lawful texts held out are look-alikes, harder than what is screened.
# So many let 0.95 of the violating ones be found.
MAX_FALSE_ALARMS = 0.07

Counts = NDArray[np.float64]


def _fit(logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset of Platt's scaling (Platt 1999)."""
    model = LogisticRegression(C=10.0).fit(logits.reshape(-1, 1), truth)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _counts(probability: NDArray[np.float64], truth: NDArray[np.bool_]) -> Counts:
    """Return true positives, false positives and false negatives at each threshold of the grid, (grid, 3)."""
    given = probability[None, :] >= GRID[:, None]
    cells = (given & truth, given & ~truth, ~given & truth)
    return np.stack([cell.sum(1) for cell in cells], axis=1).astype(np.float64)


def _f_measure(true: float, wrong: float, missed: float) -> float:
    """Return F of counts, where recall weighs RECALL_WEIGHT times as much as precision (van Rijsbergen 1979)."""
    weight = RECALL_WEIGHT**2
    return float((1 + weight) * true / ((1 + weight) * true + wrong + weight * missed)) if true else 0.0


def _raise(thresholds: Counts, scores: Counts) -> Counts:
    """Raise thresholds (labels,), all by the same log-odds, until few enough lawful texts have a finding.

    `scores` (texts, labels) are the calibrated log-odds of the lawful texts.
    """
    if not len(scores):
        return thresholds
    odds = np.log(thresholds / (1 - thresholds))
    excess = np.sort((scores - odds).max(axis=1))[::-1]
    allowed = int(MAX_FALSE_ALARMS * len(scores))
    shift = max(0.0, float(excess[allowed]) + 1e-6)
    return np.asarray(1 / (1 + np.exp(-(odds + shift))))


def decide(labels: Sequence[str], targets: Matrix, logits: Matrix, known: Mask) -> tuple[Decision, ...]:
    """Return the decision rule of each label, from targets, logits and known labels of held-out texts (texts, labels).

    Slope and offset are fitted per label; a label with fewer than 50 positives has those fitted over all labels. The
    threshold is the one of highest F, where counts of all labels are mixed in, raised until at most MAX_FALSE_ALARMS of
    the lawful texts have a finding; the review threshold is half of it.
    """
    truth = targets > 0.5  # noqa: PLR2004
    common = _fit(logits[known], truth[known])
    fits: list[tuple[float, float, bool]] = []
    tables: list[Counts] = []
    for index in range(len(labels)):
        rows = known[:, index]
        enough = int(truth[rows, index].sum()) >= MIN_POSITIVES
        slope, offset = _fit(logits[rows, index], truth[rows, index]) if enough else common
        own = enough and slope >= MIN_SLOPE
        slope, offset = (slope, offset) if own else common
        fits.append((slope, offset, own))
        probability = 1 / (1 + np.exp(-(logits[rows, index].astype(np.float64) * slope + offset)))
        tables.append(_counts(probability, truth[rows, index]))
    shared = np.sum(tables, axis=0) * COMMON_SHARE
    chosen = np.array([GRID[int(np.argmax([_f_measure(*row) for row in table + shared]))] for table in tables])
    slopes, offsets = (np.array([fit[place] for fit in fits]) for place in (0, 1))
    lawful = ~(truth & known).any(1) & known.all(1)
    raised = _raise(chosen, logits[lawful] * slopes + offsets)
    decisions = []
    for label, (slope, offset, own), value in zip(labels, fits, raised, strict=True):
        threshold = round(float(value), 4)
        review = round(min(LARGEST_REVIEW, threshold * REVIEW_RATIO), 3)
        decisions.append(
            Decision(
                label=label, threshold=threshold, review_threshold=review, slope=slope, offset=offset, calibrated=own
            )
        )
    return tuple(decisions)
