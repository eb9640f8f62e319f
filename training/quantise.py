"""Makes the int8 network of an fp32 one.

Matrix products take int8 weights, one scale a column, and int8 activations at a fixed scale found on corpus texts: a
text is rounded alike alone and in any batch, so the same input gives the same output (scales taken from each batch as
it comes do not). A few of the encoder's channels are thirty times as wide as the rest; each input channel is therefore
divided by a factor that its row of the weights is multiplied by (SmoothQuant: Xiao et al. 2023, arXiv 2211.10438).
Weights use seven bits: on processors without VNNI the int8 product of 8-bit weights saturates and decisions flip. The
word embedding is kept as int8 rows with one scale each. The small head stays in fp32.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from screening.classifier import BATCH_TOKENS, Classifier, Input, length_sorted_batches

EMBEDDING = "word_embeddings.weight"
MAX_INT8 = 127
MAX_WEIGHT = 63
MAX_UINT8 = 255
# How much of a channel's width goes into the weights: of 0.5 to 1, the one with fewest flips on unseen texts.
SMOOTHING = 0.8
WIDTH_QUANTILE = 0.9999
SAMPLED_ROWS = 16
SMALLEST = 1e-6

Floats = NDArray[np.float32]


@dataclass
class _Channels:
    """What an activation's channels were seen to hold: lowest and highest value, and a sample of widths."""

    lowest: list[Floats] = field(default_factory=list)
    highest: list[Floats] = field(default_factory=list)
    widths: list[Floats] = field(default_factory=list)


@dataclass(frozen=True)
class _Activation:
    """How an activation is rounded: divided by `smoothing` (channels,), then by `scale`, about `zero`."""

    smoothing: Floats
    scale: np.float32
    zero: np.uint8


def _products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the matrix products by constant weights, those of the head left out."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        node
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in constants and not node.input[1].startswith("head.")
    ]


def _observe(source: Path, tokenizer: Path, max_tokens: int, texts: Sequence[Input]) -> dict[str, _Channels]:
    """Run the fp32 network on the texts and note the range of every activation that a matrix product takes."""
    model = onnx.load(source)
    names = sorted({node.input[0] for node in _products(model)})
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    with tempfile.TemporaryDirectory() as folder:
        observed = Path(folder) / "observed.onnx"
        onnx.save(model, observed)
        classifier = Classifier(observed, tokenizer, max_tokens)
    encodings = classifier.encode(texts)
    seen = {name: _Channels() for name in names}
    for batch in length_sorted_batches([len(encoding.ids) for encoding in encodings], BATCH_TOKENS):
        feed = classifier.feed([encodings[i] for i in batch])
        real = feed["attention_mask"].astype(bool)
        for name, values in zip(names, classifier.session.run(names, feed), strict=True):
            rows = values[real]
            seen[name].lowest.append(rows.min(axis=0))
            seen[name].highest.append(rows.max(axis=0))
            seen[name].widths.append(np.abs(rows[::SAMPLED_ROWS]))
    return seen


def _activation(seen: _Channels, weights: Sequence[Floats]) -> _Activation:
    """Choose the rounding of an activation that the matrices `weights` (channels, columns) take."""
    width = np.quantile(np.concatenate(seen.widths), WIDTH_QUANTILE, axis=0)
    width = np.maximum(width, SMALLEST)
    largest = np.maximum(np.max([np.abs(matrix).max(axis=1) for matrix in weights], axis=0), SMALLEST)
    smoothing = np.maximum(width**SMOOTHING / largest ** (1 - SMOOTHING), SMALLEST)
    low = min(0.0, float((np.maximum(np.min(seen.lowest, axis=0), -width) / smoothing).min()))
    high = max(0.0, float((np.minimum(np.max(seen.highest, axis=0), width) / smoothing).max()))
    scale = max(high - low, SMALLEST) / MAX_UINT8
    zero = np.uint8(np.clip(round(-low / scale), 0, MAX_UINT8))
    return _Activation(smoothing.astype(np.float32), np.float32(scale), zero)


def _rounded(matrix: Floats, axis: int, limit: int) -> tuple[NDArray[np.int8], Floats]:
    """Return a matrix as integers of -limit to limit, and their scales along the other axis."""
    scales = np.abs(matrix).max(axis=axis, keepdims=True).astype(np.float32) / limit
    scales[scales == 0] = 1
    return np.clip(np.round(matrix / scales), -limit, limit).astype(np.int8), scales


def _compress_products(model: onnx.ModelProto, seen: dict[str, _Channels]) -> None:
    """Replace the matrix products by int8 ones, after one rounding of each activation."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    products = {node.output[0]: node for node in _products(model)}
    takers: dict[str, list[str]] = {}
    for node in products.values():
        takers.setdefault(node.input[0], []).append(node.input[1])
    activations = {
        name: _activation(seen[name], [numpy_helper.to_array(tensors[weight]) for weight in weights])
        for name, weights in takers.items()
    }
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, value: ArrayLike) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    for node in graph.node:
        if not (node.output and node.output[0] in products):
            nodes.append(node)
            continue
        name, weight = node.input[0], node.input[1]
        rounding = activations[name]
        if weight == takers[name][0]:
            factor = constant(f"{name}.factor", 1 / rounding.smoothing)
            constant(f"{name}.scale", rounding.scale)
            constant(f"{name}.zero", rounding.zero)
            nodes.append(helper.make_node("Mul", [name, factor], [f"{name}.smooth"], name=f"{name}.smooth"))
            inputs = [f"{name}.smooth", f"{name}.scale", f"{name}.zero"]
            nodes.append(helper.make_node("QuantizeLinear", inputs, [f"{name}.uint8"], name=f"{name}.uint8"))
        matrix = numpy_helper.to_array(tensors[weight])
        integers, scales = _rounded(matrix * rounding.smoothing[:, None], 0, MAX_WEIGHT)
        constant(f"{weight}.int8", integers)
        constant(f"{weight}.scale", scales[0])
        inputs = [f"{name}.uint8", f"{weight}.int8", f"{name}.scale", f"{weight}.scale", f"{name}.zero"]
        product = "MatMulIntegerToFloat"
        nodes.append(helper.make_node(product, inputs, list(node.output), name=node.name, domain="com.microsoft"))
    for weights in takers.values():
        for weight in weights:
            graph.initializer.remove(tensors[weight])
    del graph.node[:]
    graph.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _compress_embedding(model: onnx.ModelProto) -> None:
    """Replace the gather from the fp32 word embedding by gathers of int8 rows and of their scales."""
    graph = model.graph
    weight = next(tensor for tensor in graph.initializer if tensor.name.endswith(EMBEDDING))
    gather = next(node for node in graph.node if node.op_type == "Gather" and node.input[0] == weight.name)
    values, scales = _rounded(numpy_helper.to_array(weight), 1, MAX_INT8)
    graph.initializer.remove(weight)
    graph.initializer.append(numpy_helper.from_array(values, weight.name + ".int8"))
    graph.initializer.append(numpy_helper.from_array(scales, weight.name + ".scale"))
    ids, out = gather.input[1], gather.output[0]
    new = [
        helper.make_node("Gather", [weight.name + ".int8", ids], [out + ".int8"], name="embedding_rows"),
        helper.make_node("Gather", [weight.name + ".scale", ids], [out + ".scale"], name="embedding_scales"),
        helper.make_node("Cast", [out + ".int8"], [out + ".float"], name="embedding_cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [out + ".float", out + ".scale"], [out], name="embedding"),
    ]
    place = list(graph.node).index(gather)
    graph.node.remove(gather)
    for offset, node in enumerate(new):
        graph.node.insert(place + offset, node)


def quantise(source: Path, target: Path, tokenizer: Path, max_tokens: int, texts: Sequence[Input]) -> None:
    """Write the int8 network of the fp32 network `source` to `target`; scales come from the texts, a few hundred."""
    model = onnx.load(source)
    _compress_products(model, _observe(source, tokenizer, max_tokens, texts))
    _compress_embedding(model)
    onnx.checker.check_model(model)
    onnx.save(model, target)
