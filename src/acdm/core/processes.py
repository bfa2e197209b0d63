"""Several processes that train one model, as torchrun starts them; a process alone sends no message.

Every process draws the same global batch, computes its share, and all take the same step: what is saved does not depend
on how many there are.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from acdm.errors import ConfigError, InterruptedTrainingError


@dataclass(frozen=True)
class ProcessGroup:
    """This process among all that train one model.

    Attributes:
        rank: number of this process, from 0; the first one alone writes.
        size: how many processes there are.
        device: "cpu" or "cuda", which messages go by.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one message."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([t.reshape(-1).float() for t in tensors])
        dist.all_reduce(flat)
        for t, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(part.view(t.shape))

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        count = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(count)
        return bool(count > 0)

    def broadcast(self, value: float) -> float:
        """The number that the first process gives."""
        if self.size == 1:
            return value
        told = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(told, 0)
        return float(told)

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        if self.size > 1:
            dist.barrier()


ALONE = ProcessGroup()


def is_first_process() -> bool:
    """Whether this process is the first one, or alone."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device: str) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun's environment describes; `ALONE` where there are none.

    Args:
        device: "cpu" or "cuda", which is trained on.

    Raises:
        ConfigError: when this machine has fewer GPUs than processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    if device == "cuda":
        own, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if own >= there:
            raise ConfigError(f"--devices: this machine has {there} GPUs; give as many at most, or --device cpu")
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size(), device)
    except InterruptedTrainingError:
        dist.barrier()  # all of them raise it; who left first would break the others' connections
        raise
    finally:
        dist.destroy_process_group()
