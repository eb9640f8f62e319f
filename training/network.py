"""Writes a trained classifier as an ONNX network."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from training.model import TextClassifier

OPSET = 17
INPUTS = ("input_ids", "attention_mask", "token_type_ids", "text_mask")
OUTPUTS = ("logits", "contributions")


class _Traced(nn.Module):
    """The classifier with a plain tuple as output."""

    def __init__(self, model: TextClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, text_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        prediction = self.model(input_ids, attention_mask, token_type_ids, text_mask)
        return prediction.logits, prediction.contributions


def _name_matrices(network: onnx.ModelProto, model: TextClassifier) -> None:
    """Give the transposed matrices that export has renamed their parameter's name back, with `.T`."""
    parameters = {name: value.detach().numpy() for name, value in model.named_parameters() if value.ndim == 2}  # noqa: PLR2004
    for tensor in network.graph.initializer:
        if not tensor.name.startswith("onnx::MatMul"):
            continue
        array = numpy_helper.to_array(tensor).T
        own = next(n for n, value in parameters.items() if value.shape == array.shape and np.array_equal(value, array))
        for node in network.graph.node:
            for index, name in enumerate(node.input):
                if name == tensor.name:
                    node.input[index] = f"{own}.T"
        tensor.name = f"{own}.T"


def write_network(model: TextClassifier, target: Path) -> None:
    """Write the fp32 network; rows and tokens are dynamic."""
    model = model.cpu().eval()
    model.encoder.set_attn_implementation("eager")  # type: ignore[operator]
    example = torch.ones((2, 16), dtype=torch.long)
    example[1, 12:] = 0
    ids = example * 5
    axes = {name: {0: "rows", 1: "tokens"} for name in INPUTS}
    torch.onnx.export(
        _Traced(model),
        (ids, example, torch.zeros_like(example), example),
        str(target),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_axes={**axes, "logits": {0: "rows"}, "contributions": {0: "rows", 2: "tokens"}},
        opset_version=OPSET,
        dynamo=False,
    )
    network = onnx.load(target)
    for tensor in network.graph.initializer:
        tensor.name = tensor.name.removeprefix("model.")
    for node in network.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = name.removeprefix("model.") if name.startswith("model.") else name
    _name_matrices(network, model)
    onnx.save(network, target)
