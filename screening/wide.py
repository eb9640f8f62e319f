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
    """The n-grams of texts: whose each is, its bucket, first character and length, all (n-grams,)."""

    owners: Indices
    buckets: Indices
    starts: Indices
    lengths: Indices


def hash_grams(texts: Sequence[str], lengths: Sequence[int], seed: np.uint64) -> Grams:
    """Return the character n-grams of the given lengths of all texts, hashed into buckets."""
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(texts)), sizes)
    starts = np.arange(len(codes)) - (np.cumsum(sizes) - sizes)[owners]
    room = sizes[owners] - starts
    hashes = np.full(len(codes), seed, dtype=np.uint64)
    found: list[tuple[Indices, ...]] = [(np.zeros(0, dtype=np.int64),) * 4]
    for length in range(1, max(lengths) + 1):
        count = len(codes) - length + 1
        if count <= 0:
            break
        hashes = (hashes[:count] ^ codes[length - 1 :]) * MULTIPLIER
        hashes ^= hashes >> SHIFT
        if length in lengths:
            whole = np.flatnonzero(room[:count] >= length)  # the others run into the next text
            buckets = (hashes[whole] % np.uint64(BUCKETS)).astype(np.int64)
            found.append((owners[whole], buckets, starts[whole], np.full(len(whole), length)))
    return Grams(*map(np.concatenate, zip(*found, strict=True)))


@dataclass(frozen=True)
class Features:
    """The buckets of texts, each once a text and text by text: whose each is, its value and how often, all (features,).

    `places` (n-grams,) tells which of them each n-gram is in. The values are damped counts times rarity, those of a
    text scaled to length 1.
    """

    owners: Indices
    buckets: Indices
    values: Floats
    counts: Indices
    places: Indices


def features(grams: Grams, rarity: Floats, texts: int) -> Features:
    """Return the features of so many texts."""
    keys, places, counts = np.unique(grams.owners * BUCKETS + grams.buckets, return_inverse=True, return_counts=True)
    owners, buckets = np.divmod(keys, BUCKETS)
    values = (1 + np.log(counts)) * rarity[buckets]
    norms = np.sqrt(np.bincount(owners, values**2, texts))
    scaled = values / np.where(norms > 0, norms, 1)[owners]
    return Features(owners, buckets, scaled.astype(np.float32), counts, places)


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

    def _logits(self, found: Features, texts: int) -> tuple[Floats, NDArray[np.int8]]:
        """Return the logits (texts, labels) of features, and the weights (features, labels) in them."""
        weights = self.weights[found.buckets]
        logits = np.zeros((texts, len(self.scales)), dtype=np.float32)
        if len(weights):
            firsts = np.flatnonzero(np.diff(found.owners, prepend=-1))
            parts = weights.astype(np.float32) * found.values[:, None]
            logits[found.owners[firsts]] = np.add.reduceat(parts, firsts) * self.scales
        return logits, weights

    def read(self, texts: Sequence[str], contexts: Sequence[str]) -> list["WideReading"]:
        """Read texts and their contexts."""
        grams = hash_grams(texts, TEXT_LENGTHS, TEXT_SEED)
        found = features(grams, self.rarity, len(texts))
        logits, weights = self._logits(found, len(texts))
        around = features(hash_grams(contexts, CONTEXT_LENGTHS, CONTEXT_SEED), self.rarity, len(contexts))
        total = logits + self._logits(around, len(contexts))[0] + self.bias
        order = np.argsort(grams.owners, kind="stable")
        bounds = np.searchsorted(grams.owners[order], np.arange(len(texts) + 1))
        together = Together(grams, found, weights, self.scales, order, bounds)
        return [
            WideReading(own, len(text), i, together) for i, (own, text) in enumerate(zip(total, texts, strict=True))
        ]


@dataclass(frozen=True)
class Together:
    """What was worked out for texts read together; the n-grams of text i are order[bounds[i]:bounds[i + 1]]."""

    grams: Grams
    features: Features
    weights: NDArray[np.int8]
    scales: Floats
    order: Indices
    bounds: Indices


@dataclass(frozen=True)
class WideReading:
    """What the wide part says of a text: the logits (labels,), and what the parts of its characters come from.

    The parts are worked out for the labels that are asked for, as few of the labels are found in a text; the text is
    the one at `place` of those that were read together.
    """

    logits: Floats
    length: int
    place: int
    together: Together

    def characters(self, label: int) -> Floats:
        """Return the parts of the text's characters (characters,) in a label's logit."""
        grams, found, bounds = self.together.grams, self.together.features, self.together.bounds
        own = self.together.order[bounds[self.place] : bounds[self.place + 1]]
        places, starts, lengths = found.places[own], grams.starts[own], grams.lengths[own]
        weights = self.together.weights[places, label] * self.together.scales[label]
        shares = weights * found.values[places] / found.counts[places] / lengths
        size = self.length + 1
        begins = np.bincount(starts, shares, size)
        ends = np.bincount(starts + lengths, shares, size)
        return np.cumsum(begins - ends)[:-1].astype(np.float32)
