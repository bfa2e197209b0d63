"""What the benchmarks count: operations and bytes of convolutions and matrix products."""

import floor
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode


def test_a_grouped_convolution_by_hand():
    x, w = torch.randn(2, 4, 8, 8, requires_grad=True), torch.randn(6, 2, 3, 3, requires_grad=True)
    with floor.Arithmetic() as counted:
        F.conv2d(x, w, padding=1, groups=2).sum().backward()
    forward, backward = counted.works
    assert forward.flops == 2 * (2 * 6 * 8 * 8) * (2 * 3 * 3)
    assert backward.flops == 2 * forward.flops
    assert forward.bytes == 4 * (x.numel() + w.numel() + 2 * 6 * 8 * 8)


def test_counts_agree_with_torch_where_groups_are_one():
    x, w, v = (torch.randn(shape, requires_grad=True) for shape in [(2, 3, 16, 16), (8, 3, 3, 3), (5, 8 * 49)])

    def penalty():
        h = F.leaky_relu(F.conv2d(x, w, stride=2))
        (slope,) = torch.autograd.grad(F.linear(h.flatten(1), v).square().sum(), x, create_graph=True)
        slope.square().sum().backward()  # through a gradient, as R1 goes

    with floor.Arithmetic() as ours:
        penalty()
    with FlopCounterMode(display=False) as torchs:
        penalty()
    assert sum(work.flops for work in ours.works) == torchs.get_total_flops()


def test_the_floor_takes_the_larger_time_layer_by_layer():
    machine = floor.Machine({torch.float32: 100.0}, bandwidth=10.0)
    works = [floor.Work("mm", torch.float32, 200, 10), floor.Work("mm", torch.float32, 100, 50)]
    assert machine.floor(works) == 2.0 + 5.0
