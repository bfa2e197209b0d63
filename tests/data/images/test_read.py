import numpy as np
import pytest
from PIL import Image

from acdm.data.images.read import read_image
from acdm.errors import DataError


def test_grey_and_colour_keep_their_channels(tmp_path):
    Image.new("L", (9, 8)).save(tmp_path / "grey.png")
    Image.new("RGB", (9, 8)).save(tmp_path / "colour.jpg")
    assert read_image(tmp_path / "grey.png").shape == (1, 8, 9)
    assert read_image(tmp_path / "colour.jpg").shape == (3, 8, 9)


def test_values_span_minus_one_to_one(tmp_path):
    Image.fromarray(np.array([[0, 255]] * 8, np.uint8).repeat(4, axis=1)).save(tmp_path / "x.png")
    assert set(np.unique(read_image(tmp_path / "x.png"))) == {-1.0, 1.0}


def test_sixteen_bits_are_scaled_by_their_depth_and_not_clipped(tmp_path):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_image(tmp_path / "deep.png")[0], ramp / 65535 * 2 - 1, atol=1e-4)


def test_hidden_pixels_under_transparency_do_not_leak(tmp_path):
    pixels = np.full((8, 8, 4), 200, np.uint8)
    pixels[:, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png").max() == -1


def test_a_photograph_on_its_side_is_stood_up(tmp_path):
    image = Image.new("L", (12, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "side.jpg", exif=exif)
    assert read_image(tmp_path / "side.jpg").shape == (1, 12, 8)


def test_content_counts_and_not_the_suffix(tmp_path):
    Image.new("L", (9, 8)).save(tmp_path / "x.png", format="JPEG")
    assert read_image(tmp_path / "x.png").shape == (1, 8, 9)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a PNG"), (b"hello", "not a PNG"), (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG")],
)
def test_what_is_no_image_is_said(tmp_path, content, message):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_file_is_refused(tmp_path, rng, suffix):
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(DataError, match="cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize("side", [9000, 30000])
def test_a_bomb_is_refused_from_its_header(tmp_path, side):
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="more than 64 million pixels"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0"}], ids=["VP8", "VP8L", "VP8X"])
def test_a_webp_has_a_limit_of_its_own_for_its_decoder_takes_a_dozen_bytes_a_pixel(tmp_path, options):
    Image.new("RGB", (4899, 4900)).save(tmp_path / "wide.webp", method=0, **options)
    with pytest.raises(DataError, match="WebP of more than 24 million pixels; save it as PNG"):
        read_image(tmp_path / "wide.webp")


def test_a_tiny_image_is_refused(tmp_path):
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    with pytest.raises(DataError, match="too small"):
        read_image(tmp_path / "dot.png")
