"""What a pixel means: tags and fields that change it, on files made here."""

import io
import shutil
import struct

import numpy as np
import pytest
import tifffile
from extras import installed
from PIL import Image, ImageOps

from acdm.data.images import tiff
from acdm.data.images.read import decode
from acdm.data.images.tiff import open_tiff, tiff_size
from acdm.errors import DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 30), np.uint8)


def both(path):
    """The same file whole and as one window of the reader for large files."""
    whole = decode(path)
    with open_tiff(path, None, False, on_disk=True) as source:
        window = source.window(0, 0, source.height, source.width)
    np.testing.assert_array_equal(whole.values, window.values)
    assert (whole.depth, whole.kind) == (window.depth, window.kind)
    assert (whole.valid is None) == (window.valid is None)
    if whole.valid is not None:
        np.testing.assert_array_equal(whole.valid, window.valid)
    return whole


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_stands_as_pillow_turns_it(tmp_path, orientation):
    path = tmp_path / "o.tif"
    tifffile.imwrite(path, GREY, photometric="minisblack", extratags=[(274, 3, 1, orientation, True)])
    image = Image.fromarray(GREY)
    image.getexif()[274] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(both(path).values[0], upright)
    assert tiff_size(path) == upright.shape


def test_white_is_zero_is_turned_round_whole_and_in_windows(tmp_path):
    tifffile.imwrite(tmp_path / "black0.tif", GREY, photometric="minisblack")
    tifffile.imwrite(tmp_path / "white0.tif", 255 - GREY, photometric="miniswhite")
    np.testing.assert_array_equal(both(tmp_path / "black0.tif").values, both(tmp_path / "white0.tif").values)


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(GREY > 128).save(tmp_path / "one.tif")
    raw = both(tmp_path / "one.tif")
    assert raw.depth == 1
    np.testing.assert_array_equal(raw.values[0], (GREY > 128).astype(np.float32))


def test_colour_and_alpha_are_told_apart_whole_and_in_windows(tmp_path):
    rgba = RNG.integers(1, 256, (40, 30, 4), np.uint8)
    rgba[:20, :, 3] = 0
    tifffile.imwrite(tmp_path / "rgba.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    raw = both(tmp_path / "rgba.tif")
    np.testing.assert_array_equal(raw.values, np.moveaxis(rgba[..., :3], -1, 0))
    np.testing.assert_array_equal(raw.valid, rgba[..., 3] != 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": GREY.astype(np.complex64)}, "complex values"),
        ({"data": GREY.astype(np.float32), "photometric": "miniswhite"}, "0 is white"),
        ({"data": RNG.integers(0, 256, (40, 30, 4), np.uint8), "photometric": "separated"}, "CMYK"),
        ({"data": RNG.integers(0, 256, (40, 30, 3), np.uint8), "photometric": "cielab"}, "CIELAB"),
        ({"data": GREY, "photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}, "palette"),
    ],
)
def test_what_is_no_grey_and_no_rgb_is_refused_whole_and_in_windows(tmp_path, options, words):
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, **options)
    with pytest.raises(DataError, match=words):
        decode(path)
    with pytest.raises(DataError, match=words), open_tiff(path, None, False, on_disk=True):
        pass


def test_several_pages_are_refused_in_windows_too(tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", np.stack([GREY, GREY]), photometric="minisblack")
    with pytest.raises(DataError, match="holds 2 pages"), open_tiff(tmp_path / "p.tif", None, False, on_disk=True):
        pass


@pytest.mark.parametrize("big", [False, True])
def test_directories_that_point_at_themselves_are_known(tmp_path, big):
    head = b"II+\0" + struct.pack("<HHQQQ", 8, 0, 16, 0, 16) if big else b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    (tmp_path / "loop.tif").write_bytes(head)
    for call in (decode, tiff_size):
        with pytest.raises(DataError, match="point at one another"):
            call(tmp_path / "loop.tif")


def test_a_sparse_file_of_the_world_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff, "MAX_STORED", 1000)
    tifffile.imwrite(tmp_path / "large.tif", GREY, photometric="minisblack")
    with (
        pytest.raises(DataError, match="cut it into tiles"),
        open_tiff(tmp_path / "large.tif", None, False, on_disk=True),
    ):
        pass


def test_a_file_that_finds_no_room_to_be_unpacked_is_a_sentence(tmp_path, monkeypatch):
    """A full disk beneath a mapped file would end the program without a word."""
    monkeypatch.setattr(tiff, "disk_usage", lambda folder: shutil.disk_usage(folder)._replace(free=GREY.nbytes - 1))
    tifffile.imwrite(tmp_path / "large.tif", GREY, photometric="minisblack")
    with pytest.raises(DataError, match="TMPDIR"), open_tiff(tmp_path / "large.tif", None, False, on_disk=True):
        pass


def png16(pixels, colour):
    """A PNG of 16 bits of that colour type, written by hand (PNG, third edition)."""
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.skipif(installed("imagecodecs") is None, reason="needs the geo extra")
def test_colour_of_16_bits_keeps_them(tmp_path):
    rgb = RNG.integers(0, 4096, (12, 10, 3), np.uint16)
    (tmp_path / "rgb.png").write_bytes(png16(rgb, 2))
    raw = decode(tmp_path / "rgb.png")
    assert raw.depth == 65535
    np.testing.assert_array_equal(raw.values, np.moveaxis(rgb, -1, 0))
    grey_alpha = np.stack([rgb[..., 0], np.full((12, 10), 65535, np.uint16)], axis=-1)
    (tmp_path / "la.png").write_bytes(png16(grey_alpha, 4))
    np.testing.assert_allclose(decode(tmp_path / "la.png").values[0], rgb[..., 0])


def test_the_first_picture_of_a_camera_s_jpeg_is_taken(tmp_path):
    first, preview = Image.fromarray(GREY), Image.fromarray(GREY[::2, ::2])
    first.save(tmp_path / "drone.jpg", format="MPO", save_all=True, append_images=[preview], quality=95)
    raw = decode(tmp_path / "drone.jpg")
    assert raw.values.shape == (1, 40, 30)


@pytest.mark.parametrize("kind", ["BMP", "WEBP"])
def test_bmp_and_webp_are_read(tmp_path, kind):
    Image.fromarray(GREY).save(tmp_path / f"a.{kind.lower()}", format=kind, lossless=True)
    np.testing.assert_array_equal(decode(tmp_path / f"a.{kind.lower()}").values[0], GREY)


nibabel = pytest.mark.skipif(installed("nibabel") is None, reason="needs the medical extra")
pydicom = pytest.mark.skipif(installed("pydicom") is None, reason="needs the medical extra")


@nibabel
def test_nifti_with_a_slope_has_values_and_no_depth(tmp_path):
    nib = installed("nibabel")
    image = nib.Nifti1Image(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), np.eye(4))
    image.header.set_slope_inter(2.0, -100.0)
    image.to_filename(tmp_path / "s.nii")
    raw = decode(tmp_path / "s.nii")
    assert raw.depth is None
    assert (raw.values.min(), raw.values.max()) == (-100, 2 * 255 - 100)


@nibabel
def test_nan_around_the_head_is_no_data_and_trailing_ones_are_nothing(tmp_path):
    nib = installed("nibabel")
    values = np.full((16, 16, 1, 1, 1), np.nan, np.float32)
    values[4:8, 4:8] = 7
    nib.Nifti1Image(values, np.eye(4)).to_filename(tmp_path / "n.nii.gz")
    raw = decode(tmp_path / "n.nii.gz")
    assert raw.valid.sum() == 16
    assert (raw.values[:, raw.valid] == 7).all()


@nibabel
@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.diag([np.nan, 1, 1, 1])])
def test_an_affine_that_leads_nowhere_is_a_sentence(tmp_path, affine):
    nib = installed("nibabel")
    image = nib.Nifti1Image(np.zeros((16, 16, 1), np.float32), np.eye(4))
    image.header["sform_code"], image.header["qform_code"] = 1, 0
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        image.header[name] = affine[row]
    content = image.header.binaryblock + b"\0" * 4 + np.zeros((16, 16, 1), np.float32).tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(DataError):
        decode(tmp_path / "a.nii")


def dicom(path, pixels, **fields):
    pyd = installed("pydicom")
    meta = pyd.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pyd.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    data = pyd.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(pixels.dtype.kind == "i")
    for name, value in fields.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)


@pydicom
def test_padding_of_dicom_is_no_data(tmp_path):
    pixels = RNG.integers(0, 1000, (16, 16)).astype(np.int16)
    pixels[:8] = -2000
    dicom(tmp_path / "p.dcm", pixels, PixelPaddingValue=-2000, RescaleSlope=1, RescaleIntercept=-1024)
    raw = decode(tmp_path / "p.dcm")
    np.testing.assert_array_equal(raw.valid, pixels != -2000)
    np.testing.assert_array_equal(raw.values[0], pixels - 1024.0)


@pydicom
def test_a_modality_lut_is_applied(tmp_path):
    pyd = installed("pydicom")
    table = pyd.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [256, 0, 16], "US"
    table.LUTData = np.arange(0, 2560, 10).astype("<u2").tobytes()
    pixels = RNG.integers(0, 256, (16, 16)).astype(np.uint8)
    dicom(tmp_path / "l.dcm", pixels, ModalityLUTSequence=pyd.Sequence([table]))
    raw = decode(tmp_path / "l.dcm")
    np.testing.assert_array_equal(raw.values[0], 10.0 * pixels)
    assert raw.depth is None


@pydicom
def test_the_rescale_of_an_enhanced_image_is_in_its_functional_groups(tmp_path):
    pyd = installed("pydicom")
    rescale, group = pyd.Dataset(), pyd.Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 2, -50, "HU"
    group.PixelValueTransformationSequence = pyd.Sequence([rescale])
    pixels = RNG.integers(0, 1000, (16, 16)).astype(np.int16)
    dicom(tmp_path / "e.dcm", pixels, NumberOfFrames=1, SharedFunctionalGroupsSequence=pyd.Sequence([group]))
    np.testing.assert_array_equal(decode(tmp_path / "e.dcm").values[0], 2.0 * pixels - 50)


@pydicom
def test_eight_bits_without_a_unit_are_a_picture(tmp_path):
    dicom(tmp_path / "e.dcm", GREY)
    raw = decode(tmp_path / "e.dcm")
    assert raw.depth == 255
    dicom(tmp_path / "m.dcm", GREY, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(decode(tmp_path / "m.dcm").values, 255 - raw.values)


@pytest.mark.parametrize("header", [b"{'descr': '<f4', 'shape': (3,", b"{'a': " + b"(" * 90, b"\xff" * 40, b""])
def test_a_damaged_npy_is_a_sentence(tmp_path, header):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((16, 16), np.float32))
    content = bytearray(buffer.getvalue())
    content[10 : 10 + len(header)] = header
    (tmp_path / "d.npy").write_bytes(content if header else content[:9])
    with pytest.raises(DataError, match="cannot be decoded"):
        decode(tmp_path / "d.npy")


def test_a_tiff_with_fewer_strips_than_its_size_asks_for_is_refused_before_memory_is(tmp_path):
    path = tmp_path / "few.tif"
    tifffile.imwrite(path, GREY, photometric="minisblack", tile=(16, 16))
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["ImageLength"].overwrite(2**20)
    for on_disk in (False, True):
        with pytest.raises(DataError, match="fewer strips or tiles"), open_tiff(path, None, False, on_disk=on_disk):
            pass


def test_a_tiff_without_rows_is_too_small_whole_and_in_windows(tmp_path):
    path = tmp_path / "none.tif"
    tifffile.imwrite(path, GREY, photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["ImageLength"].overwrite(0)
    for on_disk in (False, True):
        with pytest.raises(DataError), open_tiff(path, None, False, on_disk=on_disk):
            pass
