"""The wide part of the model: a linear model over hashed character n-grams, added to the network's logits.

What the network generalises, it remembers: set phrases of a few characters. Every n-gram's weight is shared out over
its characters, so that the wide part counts in the evidence as the network does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 17
TEXT_LENGTHS = (1, 2, 3, 4)
CONTEXT_LENGTHS = (1, 2, 3)
# Seeds keep n-grams of the context apart from equal ones of the text.
TEXT_SEED = np.uint64(0x9E3779B97F4A7C15)
CONTEXT_SEED = np.uint64(0xC2B2AE3D27D4EB4F)
MULTIPLIER = np.uint64(0x100000001B3)
SHIFT = np.uint64(29)

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Grams:
    """The n-grams of a text: bucket, first character and length of each, all (n-grams,)."""

    buckets: Indices
    starts: Indices
    lengths: Indices


def hash_grams(text: str, lengths: Sequence[int], seed: np.uint64) -> Grams:
    """Return the character n-grams of the given lengths, hashed into buckets."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    hashes = np.full(len(codes), seed, dtype=np.uint64)
    buckets, starts, sizes = [], [], []
    for length in range(1, max(lengths) + 1):
        count = len(codes) - length + 1
        if count <= 0:
            break
        hashes = (hashes[:count] ^ codes[length - 1 :]) * MULTIPLIER
        hashes ^= hashes >> SHIFT
        if length in lengths:
            buckets.append((hashes % np.uint64(BUCKETS)).astype(np.int64))
            starts.append(np.arange(count))
            sizes.append(np.full(count, length))
    if not buckets:
        return Grams(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    return Grams(np.concatenate(buckets), np.concatenate(starts), np.concatenate(sizes))


@dataclass(frozen=True)
class Features:
    """The buckets (buckets,) of a text, each once, their values, and which of them each n-gram is in (n-grams,).

    The values are damped counts times rarity, scaled to length 1.
    """

    buckets: Indices
    values: Floats
    counts: Indices
    places: Indices


def features(grams: Grams, rarity: Floats) -> Features:
    """Return the features of n-grams."""
    buckets, places, counts = np.unique(grams.buckets, return_inverse=True, return_counts=True)
    values = (1 + np.log(counts)) * rarity[buckets]
    norm = math.sqrt(float(values @ values))
    return Features(buckets, (values / norm if norm else values).astype(np.float32), counts, places)


@dataclass(frozen=True)
class WideModel:
    """Weights (buckets, labels) as int8 with a scale per label, rarity (buckets,) and bias (labels,)."""

    weights: NDArray[np.int8]
    scales: Floats
    rarity: Floats
    bias: Floats

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(file["weights"], file["scales"], file["rarity"].astype(np.float32), file["bias"])

    def save(self, path: Path) -> None:
        """Write the model as a compressed .npz file."""
        rarity = self.rarity.astype(np.float16)
        np.savez_compressed(path, weights=self.weights, scales=self.scales, rarity=rarity, bias=self.bias)

    def _logits(self, found: Features) -> tuple[Floats, NDArray[np.int8]]:
        """Return the logits (labels,) of features, and the weights (buckets, labels) in them."""
        weights = self.weights[found.buckets]
        return (found.values @ weights.astype(np.float32)) * self.scales, weights

    def read(self, text: str, context: str) -> "WideReading":
        """Read a text and its context."""
        grams = hash_grams(text, TEXT_LENGTHS, TEXT_SEED)
        found = features(grams, self.rarity)
        logits, weights = self._logits(found)
        context_logits, _ = self._logits(features(hash_grams(context, CONTEXT_LENGTHS, CONTEXT_SEED), self.rarity))
        return WideReading(logits + context_logits + self.bias, len(text), grams, found, weights, self.scales)


@dataclass(frozen=True)
class WideReading:
    """What the wide part says of a text: the logits (labels,), and what the parts of its characters come from.

    The parts are worked out for the labels that are asked for, as few of the labels are found in a text.
    """

    logits: Floats
    length: int
    grams: Grams
    features: Features
    weights: NDArray[np.int8]
    scales: Floats

    def characters(self, label: int) -> Floats:
        """Return the parts of the text's characters (characters,) in a label's logit."""
        found = self.features
        of_buckets = self.weights[:, label] * found.values * self.scales[label] / found.counts
        shares = of_buckets[found.places] / self.grams.lengths
        size = self.length + 1
        begins = np.bincount(self.grams.starts, shares, size)
        ends = np.bincount(self.grams.starts + self.grams.lengths, shares, size)
        return np.cumsum(begins - ends)[:-1].astype(np.float32)
