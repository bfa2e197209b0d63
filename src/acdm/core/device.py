"""Where networks run, and how precisely."""

import time
from functools import cache
from math import inf

import torch
from torch import Tensor

LARGEST_SHARE = 0.5  # of a GPU's free memory, for images that stay there


def automatic_device() -> str:
    """Name the device to compute on: a GPU where torch sees one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def flush_denormals() -> None:
    """Have the processor take numbers below 1e-38 for zero, from the first use of torch on: they are slow.

    After two thousand steps on brain MRI a step took twice as long for them (docs/results/speed.md).
    """
    torch.set_flush_denormal(True)


@cache
def automatic_precision(device: str) -> str:
    """Name the faster of bf16 and fp32 on this machine.

    A CPU's word is not enough: some with AVX512-BF16 and without AMX take twice as long in bf16.
    """
    if device == "cuda":
        return "bf16"
    seconds = {"bf16": inf, "fp32": inf}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(20):  # processor time of one thread, by turns, the best of each: other work must not decide
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
            a = torch.ones(256, 256, dtype=dtype)
            began = time.thread_time()
            torch.mm(a, a)
            seconds[name] = min(seconds[name], time.thread_time() - began)
    torch.set_num_threads(threads)
    return min(seconds, key=seconds.__getitem__)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Have convolutions and matrix products run in bf16 or fp32; "auto" decides for this machine."""
    if precision == "auto":
        precision = automatic_precision(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def resident(x: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on the device that uses it again and again; where it is, if it would take much of a GPU's memory."""
    if torch.device(device).type != "cuda":
        return x
    free, _ = torch.cuda.mem_get_info(device)
    return x.to(device) if x.nbytes <= LARGEST_SHARE * free else x


def channels_last(x: Tensor) -> Tensor:
    """The image in the memory layout that every network here runs in."""
    return x.contiguous(memory_format=torch.channels_last)
