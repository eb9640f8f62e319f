"""Reads the weights of an ONNX network back, so that training can start from a shipped model."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor


def read_weights(network: Path) -> dict[str, Tensor]:
    """Return the parameters, by name, that stand in a network, int8 ones dequantised to fp32.

    Retraining starts from them, so that the artifact needs no second copy of its weights.
    """
    graph = onnx.load(network).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    takes = {node.input[1]: node.input[0] for node in graph.node if node.op_type == "MatMulIntegerToFloat"}
    state: dict[str, Tensor] = {}
    for name, array in tensors.items():
        if name.endswith(".T.int8"):
            stem = name.removesuffix(".int8")
            factor = tensors[takes[name].removesuffix(".uint8") + ".factor"]
            values = array.astype(np.float32) * tensors[f"{stem}.scale"] * factor[:, None]
            state[stem.removesuffix(".T")] = torch.from_numpy(values.T.copy())
        elif name.endswith(".T"):
            state[name.removesuffix(".T")] = torch.from_numpy(array.T.copy())
        elif name.endswith("weight.int8"):
            stem = name.removesuffix(".int8")
            state[stem] = torch.from_numpy(array.astype(np.float32) * tensors[f"{stem}.scale"])
        elif name.startswith(("encoder.", "head.")) and not name.endswith(".scale"):
            state[name] = torch.from_numpy(array.copy())
    return state
