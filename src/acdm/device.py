"""Where networks run, and how precisely."""

import torch
from torch import Tensor


def automatic_device() -> str:
    """A GPU where torch sees one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def automatic_precision(device: str) -> str:
    """bf16 where the hardware is fast at it, else fp32."""
    fast = device == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Convolutions and matrix products in bf16, or in fp32; "auto" decides for this machine."""
    if precision == "auto":
        precision = automatic_precision(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def channels_last(x: Tensor) -> Tensor:
    """The memory layout that every network here runs in."""
    return x.contiguous(memory_format=torch.channels_last)
