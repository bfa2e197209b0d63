"""Where networks run, and how precisely."""

import contextlib
import ctypes

import torch

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's mallopt


def automatic_device() -> str:
    """A GPU where torch sees one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def automatic_precision(device: str) -> str:
    """bf16 where the hardware is fast at it, else fp32."""
    fast = device == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"


def keep_memory() -> None:
    """Have the C library keep freed memory for the next step: about a tenth of a CPU's time is page faults otherwise.

    Does nothing where the C library is not glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_M_TOP_PAD, 2**26)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Convolutions and matrix products in bf16, or in fp32; "auto" decides for this machine."""
    if precision == "auto":
        precision = automatic_precision(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
