"""The floor under a step: the least time its convolutions and matrix products can take on this machine.

Each of them, forward and backward, needs the larger of two times: its floating-point operations over the rate that a
large matrix product reaches in the same precision, and the bytes of its operands and results, each moved once, over
the memory bandwidth.  Norms, activations, losses and optimisers count nothing, as if all were fused into their
neighbours: the floor is a bound, not a goal.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from statistics import median
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
Key = TypeVar("Key")


@dataclass(frozen=True)
class Work:
    """One convolution or matrix product.

    Attributes:
        name: of the operation.
        dtype: it ran in.
        flops: floating-point operations, a multiplication and an addition counting two.
        bytes: of everything it reads and writes, once each.
    """

    name: str
    dtype: torch.dtype
    flops: int
    bytes: int


@dataclass(frozen=True)
class Machine:
    """Measured rates: flops a second of a large matrix product by precision, bytes a second of a large copy."""

    flops: dict[torch.dtype, float]
    bandwidth: float

    def floor(self, works: Sequence[Work]) -> float:
        """Seconds."""
        return sum(max(work.flops / self.flops[work.dtype], work.bytes / self.bandwidth) for work in works)


@dataclass
class Arithmetic(TorchDispatchMode):
    """Records the work that runs while it is entered."""

    works: list[Work] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = _COUNTS.get(func.overloadpacket)
        if count is not None:
            tensors = [t for t in _flat(args) + _flat(out) if isinstance(t, Tensor)]
            moved = sum(t.numel() * t.element_size() for t in tensors)
            self.works.append(Work(func.overloadpacket.__name__, tensors[0].dtype, count(*args), moved))
        return out


def _convolution(x: Tensor, w: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, *rest: Any) -> int:
    if rest[0]:  # transposed
        return 2 * x.numel() * prod(w.shape[1:])
    sides = [
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, p, d, k, s in zip(x.shape[2:], padding, dilation, w.shape[2:], stride, strict=True)
    ]
    return 2 * len(x) * prod(sides) * w.numel()


def _convolution_backward(grad: Tensor, x: Tensor, w: Tensor, *rest: Any) -> int:
    transposed, mask = rest[4], rest[7]
    once = 2 * (x if transposed else grad).numel() * prod(w.shape[1:])
    return once * (mask[0] + mask[1])


def _product(a: Tensor, b: Tensor) -> int:
    return 2 * a.numel() * b.shape[-1]


_COUNTS: dict[Any, Callable[..., int]] = {
    aten.convolution: _convolution,
    aten.convolution_backward: _convolution_backward,
    aten.mm: _product,
    aten.bmm: _product,
    aten.addmm: lambda bias, a, b: _product(a, b),
}


def _flat(values: Any) -> list[Any]:
    if isinstance(values, (tuple, list)):
        return [leaf for value in values for leaf in _flat(value)]
    return [values]


class Yardstick:
    """A large matrix product and a large copy, to be timed in turn with the work that they are to bound."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.side = 2048 if device.type == "cpu" else 8192
        self.a = torch.randn(self.side, self.side, device=device).to(dtype)
        self.source = torch.empty(2**26 if device.type == "cpu" else 2**29, device=device)  # 256 MiB or 2 GiB
        self.target = torch.empty_like(self.source)

    def product(self) -> None:
        self.a @ self.a

    def copy(self) -> None:
        self.target.copy_(self.source)

    def machine(self, product: float, copy: float, others: Machine) -> Machine:
        """Rates from the seconds of both; `others` knows the precisions that are not timed here."""
        moved = 2 * self.source.numel() * self.source.element_size()
        return Machine({**others.flops, self.a.dtype: 2 * self.side**3 / product}, moved / copy)


def measure(device: torch.device, seconds: float = 1.0) -> Machine:
    """The machine's rates, each the best of about `seconds` of trying."""
    known = Machine({}, 0.0)
    for dtype in (torch.float32, torch.bfloat16):
        stick = Yardstick(device, dtype)
        known = stick.machine(best(stick.product, device, seconds), best(stick.copy, device, seconds), known)
    return known


def best(call: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """Shortest time of a call."""
    call()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        times.append(timed(call, device))
    return min(times)


def by_turns(calls: dict[Key, Callable[[], Any]], rounds: int, device: torch.device) -> dict[Key, float]:
    """Median seconds of each call; they take turns, so that a machine that drifts drifts for all of them."""
    times: dict[Key, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(timed(call, device))
    return {name: median(values) for name, values in times.items()}


def timed(call: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
