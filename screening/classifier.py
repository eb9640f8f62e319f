"""Runs the network: texts in, logits and the part of each token in them out."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from screening.taxonomy import KIND_NAMES, Kind
from screening.wide import WideModel, WideReading

# Larger batches outgrow the cache, and leave threads idle at the end; a pass costs as much as so many tokens more.
BATCH_TOKENS = 256
BATCH_OVERHEAD = 32
CATEGORY_CHARS = 40
# The wide part reads so many at a time: what it works out for them takes a kilobyte a character.
WIDE_TEXTS = 64
# Each batch that is read takes some 10 MB of memory.
MOST_THREADS = 8
# At most, that mark where context and text begin and end; no other token stands for less than a character.
MARKER_TOKENS = 8

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Input:
    """What the network reads: a normalised text and the hints to it."""

    text: str
    kind: Kind | None = None
    category: str = ""

    def context(self) -> str:
        """Return the first segment: kind and category in words; a missing kind is said to be unknown."""
        name = KIND_NAMES[self.kind] if self.kind else "未知"
        return f"{name} {self.category[:CATEGORY_CHARS]}".strip()


@dataclass(frozen=True)
class Output:
    """Logits (labels,), and what they are made of; the text's tokens stand at the characters `offsets` (tokens, 2).

    `contributions` (labels, tokens) are the network's; `wide` is the reading of the wide part where there is one.
    """

    logits: Floats
    contributions: Floats
    offsets: tuple[tuple[int, int], ...]
    wide: WideReading | None = None

    def parts(self, label: int) -> Floats:
        """Return the parts of the text's tokens (tokens,) in a label's logit.

        The logit is the sum of them, of the closing token's part, of the context's part where there is a wide part,
        and of a constant.
        """
        own: Floats = self.contributions[label]
        if self.wide is None:
            return own
        sums = np.concatenate([np.zeros(1, np.float32), self.wide.characters(label).cumsum(dtype=np.float32)])
        places = np.array(self.offsets, dtype=np.int64).reshape(-1, 2)
        parts: Floats = own + sums[places[:, 1]] - sums[places[:, 0]]
        return parts


@dataclass(frozen=True)
class Batch:
    """Padded arrays (rows, tokens) for the network; `text_mask` marks the tokens that a label may attend to."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]
    text_mask: NDArray[np.int64]


def text_start(encoding: Encoding) -> int:
    """Return the position of the text's first token; its tokens run from there to the closing special one."""
    sequences = encoding.sequence_ids
    return sequences.index(1) if 1 in sequences else len(sequences) - 1


def collate(encodings: Sequence[Encoding], pad_id: int) -> Batch:
    """Pad encodings of pairs (context, text) to the longest of them."""
    shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    attention_mask, token_type_ids, text_mask = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, encoding in enumerate(encodings):
        length = len(encoding.ids)
        input_ids[row, :length] = encoding.ids
        token_type_ids[row, :length] = encoding.type_ids
        attention_mask[row, :length] = 1
        text_mask[row, text_start(encoding) : length] = 1
    return Batch(input_ids, attention_mask, token_type_ids, text_mask)


def length_sorted_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Group the indices of texts of like length into batches of at most `max_tokens` tokens, padding counted.

    The grouping is the one that costs least, where each batch costs its tokens, padding counted, and BATCH_OVERHEAD.
    """
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    least = [0]
    first = [0]
    for end, index in enumerate(order, 1):
        longest = lengths[index]
        starts = range(max(0, end - max(1, max_tokens // longest)), end)
        costs = [least[start] + (end - start) * longest + BATCH_OVERHEAD for start in starts]
        least.append(min(costs))
        first.append(starts[costs.index(least[-1])])
    batches: list[list[int]] = []
    end = len(order)
    while end:
        batches.insert(0, order[first[end] : end])
        end = first[end]
    return batches


def _output(logits: Floats, contributions: Floats, encoding: Encoding, wide: WideReading | None) -> Output:
    """Return what network and wide part say of a text; `contributions` (labels, tokens) are of all tokens."""
    text = slice(text_start(encoding), len(encoding.ids) - 1)
    total = logits if wide is None else logits + wide.logits
    return Output(total, contributions[:, text], tuple(encoding.offsets[text]), wide)


def load_tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    """Load a tokenizer that cuts pairs at `max_tokens`, from the second part only."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens, strategy="only_second")
    return tokenizer


def pad_id(tokenizer: Tokenizer) -> int:
    """Return the id of the padding token, by either of its usual names."""
    for name in ("<pad>", "[PAD]"):
        if (found := tokenizer.token_to_id(name)) is not None:
            return int(found)
    raise ValueError("the tokenizer has no padding token")


def _cores() -> int:
    """Return how many cores this process may use, up to MOST_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)


class Classifier:
    """The network in one ONNX Runtime session, and the wide part beside it where there is one.

    The session reads a batch on one thread, and as many batches at a time as there are `threads` (0: one for each
    core, up to MOST_THREADS): two cores get more done than when they share each batch, and one text takes no longer.
    """

    def __init__(
        self, network: Path, tokenizer: Path, max_tokens: int, threads: int = 0, wide: WideModel | None = None
    ) -> None:
        self._wide = wide
        self._threads = ThreadPoolExecutor(threads or _cores(), "network")
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
        self.tokenizer = load_tokenizer(tokenizer, max_tokens)
        self._max_tokens = max_tokens
        self._pad_id = pad_id(self.tokenizer)
        self._inputs = {node.name for node in self.session.get_inputs()}

    def encode(self, inputs: Sequence[Input]) -> list[Encoding]:
        """Tokenise inputs as pairs of context and text."""
        encodings: list[Encoding] = self.tokenizer.encode_batch([(item.context(), item.text) for item in inputs])
        return encodings

    def holds(self, item: Input) -> bool:
        """Tell whether the network reads the whole of an input, or its end would be cut off."""
        if len(item.text) + len(item.context()) + MARKER_TOKENS <= self._max_tokens:
            return True
        return not self.encode([item])[0].overflowing

    def feed(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[np.int64]]:
        """Return the arrays that the session takes for a batch of encodings."""
        return {name: array for name, array in vars(collate(encodings, self._pad_id)).items() if name in self._inputs}

    def _read_wide(self, inputs: Sequence[Input]) -> Sequence[WideReading | None]:
        if self._wide is None:
            return [None] * len(inputs)
        readings: list[WideReading] = []
        for start in range(0, len(inputs), WIDE_TEXTS):
            part = inputs[start : start + WIDE_TEXTS]
            readings += self._wide.read([item.text for item in part], [item.context() for item in part])
        return readings

    def run(self, inputs: Sequence[Input]) -> list[Output]:
        """Classify inputs in length-sorted batches; results come in the order of the inputs."""
        encodings = self.encode(inputs)
        # The longest texts come first, so that all threads end at the same time.
        batches = length_sorted_batches([len(encoding.ids) for encoding in encodings], BATCH_TOKENS)[::-1]

        def read(indices: list[int]) -> tuple[Floats, Floats]:
            return self._read([encodings[i] for i in indices])

        # What is one batch alone needs no other thread.
        done = self._threads.map(read, batches) if len(batches) > 1 else map(read, batches)
        wide = self._read_wide(inputs)  # while the threads read
        outputs: dict[int, Output] = {}
        for indices, (logits, contributions) in zip(batches, done, strict=True):
            for row, i in enumerate(indices):
                outputs[i] = _output(logits[row], contributions[row], encodings[i], wide[i])
        return [outputs[i] for i in range(len(inputs))]

    def _read(self, encodings: Sequence[Encoding]) -> tuple[Floats, Floats]:
        """Return the network's logits (rows, labels) of one batch, and its contributions (rows, labels, tokens)."""
        logits, contributions = self.session.run(["logits", "contributions"], self.feed(encodings))
        return logits, contributions
