"""Makes the int8 network of an fp32 one.

Matrix products take int8 weights, one scale per column, and activations quantised as they come. The weights use seven
bits (`reduce_range`): on processors without VNNI the int8 product of 8-bit weights saturates and decisions flip. The
word embedding is kept as int8 rows with one scale each, which costs no accuracy that could be measured.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

EMBEDDING = "word_embeddings.weight"
MAX_INT8 = 127


def _compress_embedding(model: onnx.ModelProto) -> None:
    """Replace the gather from the fp32 word embedding by gathers of int8 rows and of their scales."""
    graph = model.graph
    weight = next(tensor for tensor in graph.initializer if tensor.name.endswith(EMBEDDING))
    gather = next(node for node in graph.node if node.op_type == "Gather" and node.input[0] == weight.name)
    rows = numpy_helper.to_array(weight)
    scales = np.abs(rows).max(axis=1, keepdims=True).astype(np.float32) / MAX_INT8
    scales[scales == 0] = 1
    values = np.clip(np.round(rows / scales), -MAX_INT8, MAX_INT8).astype(np.int8)
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


def quantise(source: Path, target: Path) -> None:
    """Write the int8 network of the fp32 network `source` to `target`; the small head stays in fp32."""
    head = [
        node.name
        for node in onnx.load(source).graph.node
        if node.op_type == "MatMul" and any(name.startswith("head.") for name in node.input)
    ]
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        nodes_to_exclude=head,
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
    )
    model = onnx.load(target)
    _compress_embedding(model)
    onnx.checker.check_model(model)
    onnx.save(model, target)
