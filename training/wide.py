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
READ_TEXTS = 256
STRENGTH = 10.0
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def _rarity(blocks: Sequence[Grams], texts: int) -> Floats:
    """Return the inverse document frequency of each bucket; 0 for one seen in fewer than two texts."""
    seen = np.zeros(BUCKETS)
    for grams in blocks:
        seen += np.bincount(np.unique(grams.owners * BUCKETS + grams.buckets) % BUCKETS, minlength=BUCKETS)
    rarity = np.log((1 + texts) / (1 + seen)) + 1
    return np.where(seen >= MIN_TEXTS, rarity, 0).astype(np.float32)


def _matrix(grams: Grams, rarity: Floats, texts: int) -> csr_matrix:
    found = features(grams, rarity, texts)
    return csr_matrix((found.values, (found.owners, found.buckets)), shape=(texts, BUCKETS))


def train_wide(examples: Sequence[Example]) -> WideModel:
    """Train on examples; a label's unclear texts are left out for it.

    Classes are weighted evenly while learning; the bias then gets the true log-odds back.
    """
    size = len(examples)
    texts = hash_grams([item.input.text for item in examples], TEXT_LENGTHS, TEXT_SEED)
    contexts = hash_grams([item.input.context() for item in examples], CONTEXT_LENGTHS, CONTEXT_SEED)
    rarity = _rarity([texts, contexts], size)
    # text and context are scaled apart and then share the buckets, which their seeds keep apart
    matrix = (_matrix(texts, rarity, size) + _matrix(contexts, rarity, size)).tocsr()
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
    parts = [inputs[start : start + READ_TEXTS] for start in range(0, len(inputs), READ_TEXTS)]
    read = (model.read([item.text for item in part], [item.context() for item in part]) for part in parts)
    return np.stack([reading.logits for part in read for reading in part])


def scaled(model: WideModel, share: float) -> WideModel:
    """Return the model with all its logits multiplied by `share`."""
    return WideModel(model.weights, model.scales * np.float32(share), model.rarity, model.bias * np.float32(share))


def best_share(targets: Matrix, logits: Matrix, wide: NDArray[np.float32], known: Mask) -> float:
    """Return the share of the wide logits that, added to the network's, ranks the held-out texts best."""
    scores = [macro_average_precision(targets, logits + share * wide, known) for share in SHARES]
    return SHARES[int(np.argmax(scores))]
