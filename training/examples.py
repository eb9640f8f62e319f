"""Turns corpus rows into the tensors that the model trains on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from screening.classifier import Input, collate, pad_id, text_start
from screening.normalise import normalise
from training.corpus import Row
from training.metrics import Mask, Matrix

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A text ready for training.

    `targets` (labels,) are 0 to 1; `weights` (labels,) are 0 where a label is unclear; `marked` lists, for labels with
    marked words, the label's index and the characters of the normalised text that are marked.
    """

    input: Input
    targets: Floats
    weights: Floats
    marked: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = ()


def example(row: Row, labels: Sequence[str], weight: float = 1.0) -> Example:
    """Make an example of a row; `weight` is its part in the loss."""
    text = normalise(row.text)
    weights = np.full(len(labels), weight, dtype=np.float32)
    weights[[labels.index(code) for code in row.unclear]] = 0
    marked: dict[int, list[tuple[int, int]]] = {}
    for span in row.spans:
        start, end = text.normalised_span(span.start, span.end)
        if start < end and span.label in row.labels:
            marked.setdefault(labels.index(span.label), []).append((start, end))
    targets = np.array([float(code in row.labels) for code in labels], dtype=np.float32)
    spans = tuple((label, tuple(places)) for label, places in marked.items())
    return Example(Input(text.text, row.kind, row.category), targets, weights, spans)


def targets_and_known(items: Sequence[Example]) -> tuple[Matrix, Mask]:
    """Return targets and which of them are known (not unclear), each (texts, labels)."""
    return np.stack([item.targets for item in items]), np.stack([item.weights > 0 for item in items])


def with_less_context(item: Example, share: float, draw: np.random.Generator) -> Example:
    """Drop the category, the kind, or both, in a share of the cases, so that the model can do without them."""
    if draw.random() >= share:
        return item
    fate = draw.random()
    kind = item.input.kind if fate < 0.5 else None  # noqa: PLR2004 - half and half
    category = item.input.category if fate > 0.75 else ""  # noqa: PLR2004 - a quarter keep the category alone
    return replace(item, input=Input(item.input.text, kind, category))


@dataclass(frozen=True)
class TrainingBatch:
    """Tensors (rows, tokens), (rows, labels) and, for marked words, (row, label) pairs with their token masks."""

    inputs: dict[str, Tensor]
    targets: Tensor
    weights: Tensor
    marked_at: Tensor
    marked_tokens: Tensor

    def _each(self, change: Callable[[Tensor], Tensor]) -> "TrainingBatch":
        inputs = {name: change(tensor) for name, tensor in self.inputs.items()}
        others = (self.targets, self.weights, self.marked_at, self.marked_tokens)
        return TrainingBatch(inputs, *(change(tensor) for tensor in others))

    def to(self, device: torch.device) -> "TrainingBatch":
        """Return the batch on another device; the copy from pinned memory runs beside the computing."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "TrainingBatch":
        """Return the batch in memory that a GPU copies from without waiting; the data loader calls it."""
        return self._each(Tensor.pin_memory)


def _marked_tokens(item: Example, encoding: Encoding, width: int) -> list[tuple[int, Floats]]:
    found = []
    positions = range(text_start(encoding), len(encoding.ids) - 1)
    for label, places in item.marked:
        mask = np.zeros(width, dtype=np.float32)
        for i in positions:
            first, last = encoding.offsets[i]
            mask[i] = any(first < end and last > start for start, end in places)
        if mask.any():
            found.append((label, mask))
    return found


def encode(items: Sequence[Example], tokenizer: Tokenizer) -> list[Encoding]:
    """Tokenise examples as pairs of context and text."""
    encodings: list[Encoding] = tokenizer.encode_batch([(item.input.context(), item.input.text) for item in items])
    return encodings


def training_batch(items: Sequence[Example], encodings: Sequence[Encoding], tokenizer: Tokenizer) -> TrainingBatch:
    """Pad examples and their encodings into one batch."""
    arrays = collate(encodings, pad_id(tokenizer))
    width = arrays.input_ids.shape[1]
    marked = [
        (row, label, mask)
        for row, (item, encoding) in enumerate(zip(items, encodings, strict=True))
        for label, mask in _marked_tokens(item, encoding, width)
    ]
    return TrainingBatch(
        inputs={name: torch.from_numpy(array) for name, array in vars(arrays).items()},
        targets=torch.from_numpy(np.stack([item.targets for item in items])),
        weights=torch.from_numpy(np.stack([item.weights for item in items])),
        marked_at=torch.tensor([(row, label) for row, label, _ in marked], dtype=torch.long).reshape(-1, 2),
        marked_tokens=torch.from_numpy(
            np.stack([m for *_, m in marked]) if marked else np.zeros((0, width), np.float32)
        ),
    )
