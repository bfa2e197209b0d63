import torch

from acdm.core.device import automatic_precision


def test_deciding_on_a_precision_leaves_the_threads_alone():
    automatic_precision.cache_clear()
    threads = torch.get_num_threads()
    assert automatic_precision("cpu") in ("bf16", "fp32")
    assert torch.get_num_threads() == threads
