"""Trains the wide part: one logistic regression per label over hashed character n-grams."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from screening.classifier import Input
from screening.wide import (
    BUCKETS,
    CONTEXT_LENGTHS,
    CONTEXT_SEED,
    TEXT_LENGTHS,
    TEXT_SEED,
    Floats,
    Grams,
    WideModel,
    features,
    hash_grams,
)
from training.examples import Example
from training.metrics import Mask, Matrix, macro_average_precision

MAX_INT8 = 127
MIN_TEXTS = 2
STRENGTH = 10.0
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def _rarity(blocks: Sequence[Sequence[Grams]]) -> Floats:
    """Return the inverse document frequency of each bucket; 0 for one seen in fewer than two texts."""
    seen = np.zeros(BUCKETS)
    for block in blocks:
        for grams in block:
            seen[np.unique(grams.buckets)] += 1
    rarity = np.log((1 + len(blocks[0])) / (1 + seen)) + 1
    return np.where(seen >= MIN_TEXTS, rarity, 0).astype(np.float32)


def _matrix(block: Sequence[Grams], rarity: Floats) -> csr_matrix:
    columns, values, ends = [], [], [0]
    for grams in block:
        own = features(grams, rarity)
        columns.append(own.buckets)
        values.append(own.values)
        ends.append(ends[-1] + len(own.buckets))
    return csr_matrix((np.concatenate(values), np.concatenate(columns), ends), shape=(len(block), BUCKETS))


def train_wide(examples: Sequence[Example]) -> WideModel:
    """Train on examples; a label's unclear texts are left out for it.

    Classes are weighted evenly while learning; the bias then gets the true log-odds back.
    """
    texts = [hash_grams(item.input.text, TEXT_LENGTHS, TEXT_SEED) for item in examples]
    contexts = [hash_grams(item.input.context(), CONTEXT_LENGTHS, CONTEXT_SEED) for item in examples]
    rarity = _rarity([texts, contexts])
    # text and context are scaled apart and then share the buckets, which their seeds keep apart
    matrix = (_matrix(texts, rarity) + _matrix(contexts, rarity)).tocsr()
    truth = np.stack([item.targets for item in examples]) > 0.5  # noqa: PLR2004
    weights = np.stack([item.weights for item in examples])
    labels = truth.shape[1]
    learned = np.zeros((BUCKETS, labels), dtype=np.float32)
    bias = np.full(labels, -10.0, dtype=np.float32)
    for label in range(labels):
        known = weights[:, label] > 0
        own = truth[known, label]
        if not own.any():
            continue
        model = LogisticRegression(C=STRENGTH, class_weight="balanced", solver="liblinear")
        model.fit(matrix[known], own, sample_weight=weights[known, label])
        learned[:, label] = model.coef_[0]
        bias[label] = model.intercept_[0] + np.log(own.sum() / (~own).sum())
    scales = np.maximum(np.abs(learned).max(axis=0), 1e-6) / MAX_INT8
    return WideModel(np.round(learned / scales).astype(np.int8), scales.astype(np.float32), rarity, bias)


def wide_logits(model: WideModel, inputs: Sequence[Input]) -> Matrix:
    """Return the wide part's logits (texts, labels)."""
    return np.stack([model.read(item.text, item.context()).logits for item in inputs])


def scaled(model: WideModel, share: float) -> WideModel:
    """Return the model with all its logits multiplied by `share`."""
    return WideModel(model.weights, model.scales * np.float32(share), model.rarity, model.bias * np.float32(share))


def best_share(targets: Matrix, logits: Matrix, wide: NDArray[np.float32], known: Mask) -> float:
    """Return the share of the wide logits that, added to the network's, ranks the held-out texts best."""
    scores = [macro_average_precision(targets, logits + share * wide, known) for share in SHARES]
    return SHARES[int(np.argmax(scores))]
