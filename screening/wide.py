"""The wide part of the model: a linear model over hashed character n-grams, added to the network's logits.

What the network generalises, it remembers: set phrases of a few characters. Every n-gram's weight is shared out over
its characters, so that the wide part counts in the evidence as the network does.
"""

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


def features(grams: Grams, rarity: Floats) -> tuple[Indices, Floats]:
    """Return buckets (unique) and their values: damped count times rarity, scaled to length 1."""
    buckets, count = np.unique(grams.buckets, return_counts=True)
    values = (1 + np.log(count)) * rarity[buckets]
    norm = float(np.sqrt((values**2).sum()))
    return buckets, (values / norm if norm else values).astype(np.float32)


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

    def _weigh(self, grams: Grams) -> tuple[Floats, NDArray[np.int8], Floats]:
        """Return the logits (labels,) of n-grams, and the weights (n-grams, labels) and values (n-grams,) in them."""
        buckets, values = features(grams, self.rarity)
        weights = self.weights[buckets]
        logits = (values @ weights.astype(np.float32)) * self.scales
        where = np.searchsorted(buckets, grams.buckets)
        times = np.bincount(where, minlength=len(buckets))
        return logits, weights[where], (values / np.maximum(times, 1))[where].astype(np.float32)

    def read(self, text: str, context: str) -> "WideReading":
        """Read a text and its context."""
        grams = hash_grams(text, TEXT_LENGTHS, TEXT_SEED)
        logits, weights, values = self._weigh(grams)
        context_logits, _, _ = self._weigh(hash_grams(context, CONTEXT_LENGTHS, CONTEXT_SEED))
        return WideReading(logits + context_logits + self.bias, len(text), grams, weights, values, self.scales)


@dataclass(frozen=True)
class WideReading:
    """What the wide part says of a text: the logits (labels,), and what the parts of its characters come from.

    The parts are worked out for the labels that are asked for, as few of the labels are found in a text.
    """

    logits: Floats
    length: int
    grams: Grams
    weights: NDArray[np.int8]
    values: Floats
    scales: Floats

    def characters(self, label: int) -> Floats:
        """Return the parts of the text's characters (characters,) in a label's logit."""
        shares = self.weights[:, label] * self.values * self.scales[label] / self.grams.lengths
        size = self.length + 1
        begins = np.bincount(self.grams.starts, shares, size)
        ends = np.bincount(self.grams.starts + self.grams.lengths, shares, size)
        return np.cumsum(begins - ends)[:-1].astype(np.float32)
