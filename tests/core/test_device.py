import time

import torch

from acdm.core.device import automatic_precision


def test_the_faster_precision_is_taken_and_the_threads_are_left_alone(monkeypatch):
    """A clock that runs faster while one of the two types is multiplied."""
    threads, mm = torch.get_num_threads(), torch.mm
    for slow, expected in ((torch.bfloat16, "fp32"), (torch.float32, "bf16")):
        clock = [0.0]

        def multiply(a, b, slow=slow, clock=clock):
            clock[0] += 2.0 if a.dtype == slow else 1.0
            return mm(a, b)

        with monkeypatch.context() as patch:
            patch.setattr(time, "thread_time", lambda clock=clock: clock[0])
            patch.setattr(torch, "mm", multiply)
            automatic_precision.cache_clear()
            assert automatic_precision("cpu") == expected
    automatic_precision.cache_clear()
    assert torch.get_num_threads() == threads


def test_a_gpu_computes_in_bf16():
    assert automatic_precision("cuda") == "bf16"
