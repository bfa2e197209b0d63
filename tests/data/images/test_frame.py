import pytest
import torch

from acdm.data.images.frame import Frame


@pytest.mark.parametrize(("height", "width"), [(64, 64), (100, 37), (37, 100), (33, 129), (640, 480)])
def test_there_and_back_keeps_the_size(height, width):
    frame = Frame.of((1, height, width), 64)
    square = frame.enter(torch.randn(1, height, width))
    assert square.shape == (1, 64, 64)
    assert frame.leave(square).shape == (1, height, width)


def test_an_image_of_the_network_size_passes_untouched():
    frame, x = Frame.of((3, 64, 64), 64), torch.randn(3, 64, 64)
    assert torch.equal(frame.leave(frame.enter(x)), x)


def test_nothing_is_stretched():
    frame = Frame.of((1, 128, 64), 64)
    assert (frame.rows, frame.columns) == (64, 32)


def test_the_padding_repeats_the_edge():
    x = torch.arange(32.0).expand(1, 64, 32)
    square = Frame.of(x.shape, 64).enter(x)
    assert (square[..., :16] == 0).all()
    assert (square[..., 48:] == 31).all()
    assert torch.equal(square[..., 16:48], x)


def test_a_smooth_image_survives():
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 90), torch.linspace(-1, 1, 120), indexing="ij")
    x = (rows * columns)[None]
    frame = Frame.of(x.shape, 64)
    assert (frame.leave(frame.enter(x)) - x).abs().max() < 0.03


def test_signed_values_keep_their_sign_and_scale():
    x = torch.full((2, 50, 70), -0.3)
    frame = Frame.of(x.shape, 64)
    torch.testing.assert_close(frame.leave(frame.enter(x)), x)
