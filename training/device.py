"""Where training runs, and in which arithmetic."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

BF16_FLAGS = ("amx_bf16", "avx512_bf16")


def pick_device() -> torch.device:
    """Return the GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16(device: torch.device) -> bool:
    """Tell whether the device computes bf16 natively; emulated bf16 is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    info = Path("/proc/cpuinfo")
    return info.exists() and any(flag in info.read_text(encoding="utf-8") for flag in BF16_FLAGS)


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return the context to compute a forward pass in: bf16 where it helps, else fp32 as it is."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if has_bf16(device) else nullcontext()
