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
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(network).graph.initializer}
    state: dict[str, Tensor] = {}
    for name, array in tensors.items():
        if name.endswith(".T_quantized"):
            stem = name.removesuffix("_quantized")
            values = (array.astype(np.float32) - tensors[f"{stem}_zero_point"]) * tensors[f"{stem}_scale"]
            state[stem.removesuffix(".T")] = torch.from_numpy(values.T.copy())
        elif name.endswith(".T"):
            state[name.removesuffix(".T")] = torch.from_numpy(array.T.copy())
        elif name.endswith("weight.int8"):
            stem = name.removesuffix(".int8")
            state[stem] = torch.from_numpy(array.astype(np.float32) * tensors[f"{stem}.scale"])
        elif name.startswith(("encoder.", "head.")) and not name.endswith((".scale", "_scale", "_zero_point")):
            state[name] = torch.from_numpy(array.copy())
    return state
