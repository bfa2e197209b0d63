"""Files written by the libraries' own writers, read by ours, and ours read by theirs."""

import gzip
import warnings

import numpy as np
import pytest
import tifffile
from extras import installed
from PIL import Image

from acdm.core.config import Reading
from acdm.data.images.grid import GeoGrid
from acdm.data.images.raw import find_ranges
from acdm.data.images.read import decode, read_image, read_mask, read_picture, stem
from acdm.data.images.write import geotiff, npy, tiff
from acdm.errors import DataError

UTM = "EPSG:32632"


@pytest.fixture
def values(rng):
    return rng.integers(0, 4096, (3, 12, 17)).astype(np.uint16)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("layout", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_of_every_depth_and_layout(tmp_path, values, layout, dtype, compression):
    if compression:
        pytest.importorskip("imagecodecs")
    values = values.astype(dtype)
    stored = values.transpose(1, 2, 0) if layout == "contig" else values
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack", planarconfig=layout, compression=compression)
    raw = decode(tmp_path / "x.tif")
    np.testing.assert_array_equal(raw.values, values)
    assert raw.depth == {np.uint8: 255, np.uint16: 65535, np.float32: None}[dtype]


def test_pillow_reads_the_same_tiff(tmp_path, rng):
    pixels = rng.integers(0, 255, (12, 17, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.tif")
    np.testing.assert_array_equal(decode(tmp_path / "x.tif").values, pixels.transpose(2, 0, 1))


def test_our_tiff_comes_back(tmp_path, values):
    for array in (values, values[:1]):
        (tmp_path / "x.tif").write_bytes(tiff(array))
        np.testing.assert_array_equal(decode(tmp_path / "x.tif").values, array)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "x.tif").reshape(array.shape), array)


def test_pages_are_refused_unless_they_are_said_to_be_channels(tmp_path, values):
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack")
    with pytest.raises(DataError, match="3 pages"):
        decode(tmp_path / "x.tif")
    raw = decode(tmp_path / "x.tif", Reading(pages="channels"))
    np.testing.assert_array_equal(raw.values, values)


def test_bands_are_chosen_in_the_order_given(tmp_path, values):
    (tmp_path / "x.tif").write_bytes(tiff(values))
    np.testing.assert_array_equal(decode(tmp_path / "x.tif", Reading(bands=(3, 1))).values, values[[2, 0]])
    with pytest.raises(DataError, match="3 bands, not band 4"):
        decode(tmp_path / "x.tif", Reading(bands=(4,)))


def test_npy_has_the_range_that_is_declared(tmp_path):
    array = np.linspace(-1000, 3000, 8 * 9, dtype=np.float32).reshape(1, 8, 9)
    (tmp_path / "x.npy").write_bytes(npy(array))
    with pytest.raises(DataError, match=r"train with --images\.range"):
        read_image(tmp_path / "x.npy")
    image = read_image(tmp_path / "x.npy", Reading(range=((-1000, 1000),)))
    np.testing.assert_allclose(image, np.clip(array / 1000, -1, 1), atol=1e-6)


def test_ranges_may_differ_from_channel_to_channel(tmp_path):
    array = np.stack([np.full((8, 8), 5.0), np.full((8, 8), 500.0)]).astype(np.float32)
    (tmp_path / "x.npy").write_bytes(npy(array))
    image = read_image(tmp_path / "x.npy", Reading(range=((0, 10), (0, 1000))))
    np.testing.assert_allclose(image, 0, atol=1e-6)
    with pytest.raises(DataError, match="2 channels, but 3 ranges"):
        read_image(tmp_path / "x.npy", Reading(range=((0, 1),) * 3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_counted_and_refused(tmp_path, bad):
    array = np.zeros((1, 8, 8), np.float32)
    array[0, :2, 3] = bad
    (tmp_path / "x.npy").write_bytes(npy(array))
    with pytest.raises(DataError, match="2 values are not finite"):
        read_image(tmp_path / "x.npy", Reading(range=((0, 1),)))


@pytest.mark.parametrize("array", [np.zeros((8, 8), complex), np.zeros(9), np.array([{}] * 64).reshape(8, 8)])
def test_npy_files_that_are_no_image(tmp_path, array):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match="cannot be decoded"):
        decode(tmp_path / "x.npy")


def test_eight_bits_need_no_range_and_others_take_the_data_sets(tmp_path, rng):
    eight, deep = [], []
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (9, 9), dtype=np.uint8)).save(tmp_path / "a.png")
        eight.append(decode(tmp_path / "a.png"))
        np.save(tmp_path / "b.npy", rng.normal(100 * number, 1, (50, 50)).astype(np.float32))
        deep.append(decode(tmp_path / "b.npy"))
    assert find_ranges(eight) is None
    ((low, high),) = find_ranges(deep)
    assert (low, high) == pytest.approx((0, 300), abs=5)
    with pytest.raises(DataError, match="mix depths"):
        find_ranges([*eight, *deep])


def test_a_mask_may_be_any_format(tmp_path):
    mask = np.zeros((9, 12), np.uint8)
    mask[2:4, 5:8] = 1
    Image.fromarray(mask).save(tmp_path / "x.png")
    (tmp_path / "x.tif").write_bytes(tiff(mask[None]))
    for name in ("x.png", "x.tif"):
        np.testing.assert_array_equal(read_mask(tmp_path / name), mask > 0)


def test_of_a_mask_with_a_palette_the_indices_count_whatever_their_colours(tmp_path):
    indices = np.zeros((9, 12), np.uint8)
    indices[2:4, 5:8], indices[6, 1] = 1, 2
    image = Image.fromarray(indices, mode="P")
    image.putpalette([255, 255, 255, 0, 0, 0, 9, 9, 9])  # white stands for nothing, black for the object
    image.save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "x.png"), indices > 0)


@pytest.mark.parametrize("highest", [255, 60])
def test_what_a_jpeg_blurs_about_a_mask_is_not_the_object(tmp_path, highest):
    mask = np.zeros((64, 64), np.uint8)
    mask[16:40, 24:48] = highest  # along its blocks of 8 x 8, and across them
    mask[3:9, 50:61] = highest
    Image.fromarray(mask).save(tmp_path / "x.jpg", quality=90)
    assert (np.asarray(Image.open(tmp_path / "x.jpg")) > 0).sum() > (mask > 0).sum() + 20
    np.testing.assert_array_equal(read_mask(tmp_path / "x.jpg"), mask > 0)


@pytest.mark.parametrize(("name", "expected"), [("a.b.nii.gz", "a.b"), ("a.TIF", "a"), ("a", "a")])
def test_the_stem_of_a_name(tmp_path, name, expected):
    assert stem(tmp_path / name) == expected


@pytest.mark.parametrize(
    "content", [b"II*\0", b"II*\0" + b"\xff" * 200, b"MM\0*\0\0\0\x08\xff\xff", b"\x93NUMPY\x01\0v"]
)
def test_damaged_files_get_a_sentence(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=str(tmp_path)):
        decode(tmp_path / "x")


@pytest.mark.skipif(installed("rasterio") is None, reason="an extra that is not installed")
class TestGeoTIFF:
    rasterio = installed("rasterio")

    def write(self, path, values, nodata=None, **more):
        transform = self.rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
        about = {"driver": "GTiff", "count": len(values), "height": values.shape[1], "width": values.shape[2]}
        about |= {"dtype": values.dtype, "crs": UTM, "transform": transform, "nodata": nodata, **more}
        with self.rasterio.open(path, "w", **about) as raster:
            raster.write(values)
            raster.update_tags(OWNER="somebody")

    def test_place_and_nodata_are_known(self, tmp_path, values):
        values = values + 1
        values[:, :4, :5] = 0
        self.write(tmp_path / "x.tif", values, nodata=0)
        picture = read_picture(tmp_path / "x.tif", Reading(range=((0, 5000),)))
        assert picture.grid.transform == (0.5, 0, 500_000, 0, -0.5, 5_000_000)
        assert self.rasterio.CRS.from_wkt(picture.grid.crs).to_epsg() == 32632
        assert (~picture.valid).sum() == 20
        assert not picture.valid[:4, :5].any()

    def test_pixels_without_data_take_the_nearest_value(self, tmp_path):
        values = np.full((1, 10, 10), 7.0, np.float32)
        values[:, :3] = np.nan
        self.write(tmp_path / "x.tif", values, nodata=np.nan)
        picture = read_picture(tmp_path / "x.tif", Reading(range=((0, 14),)))
        np.testing.assert_allclose(picture.pixels, 0, atol=1e-6)

    def test_all_nodata_is_refused(self, tmp_path):
        self.write(tmp_path / "x.tif", np.zeros((1, 10, 10), np.uint8), nodata=0)
        with pytest.raises(DataError, match="holds no data"):
            read_image(tmp_path / "x.tif")

    def test_maps_come_back_on_the_grid_without_anything_else(self, tmp_path, rng):
        grid = GeoGrid((0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0), self.rasterio.CRS.from_epsg(32632).to_wkt())
        array, valid = rng.random((2, 9, 11)).astype(np.float32), np.ones((9, 11), bool)
        valid[0, 0] = False
        (tmp_path / "x.tif").write_bytes(geotiff(array, grid, valid))
        with self.rasterio.open(tmp_path / "x.tif") as raster:
            assert raster.crs.to_epsg() == 32632
            assert tuple(raster.transform)[:6] == grid.transform
            read = raster.read()
            assert "OWNER" not in raster.tags()
        assert np.isnan(read[:, 0, 0]).all()
        np.testing.assert_array_equal(read[:, valid], array[:, valid])


@pytest.mark.skipif(installed("nibabel") is None, reason="an extra that is not installed")
class TestNIfTI:
    nibabel = installed("nibabel")
    affine = np.array([[-2.0, 0, 0, 90], [0, 0, 3, -40], [0, 2.5, 0, 7], [0, 0, 0, 1]])

    def write(self, path, array):
        image = self.nibabel.Nifti1Image(array, self.affine)
        image.header["descrip"] = b"Jane Doe"
        self.nibabel.save(image, path)

    @pytest.mark.parametrize("axis", [0, 1, 2])
    @pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
    def test_a_volume_goes_through_slices_and_back(self, tmp_path, rng, axis, name):
        from acdm.data.images.nifti import nifti, open_nifti

        volume = rng.random((9, 10, 11)).astype(np.float32)
        self.write(tmp_path / name, volume)
        grid, slices = open_nifti(tmp_path / name, axis)
        stack = np.stack([raw.values for raw in slices])
        assert len(stack) == volume.shape[axis]
        (tmp_path / "out.nii.gz").write_bytes(nifti(stack, grid))
        back = self.nibabel.load(tmp_path / "out.nii.gz")
        np.testing.assert_array_equal(back.get_fdata(dtype=np.float32), volume)
        np.testing.assert_allclose(back.affine, self.affine)
        assert b"Jane" not in gzip.decompress((tmp_path / "out.nii.gz").read_bytes())

    def test_one_slice_is_an_image_and_more_are_not(self, tmp_path, rng):
        self.write(tmp_path / "a.nii.gz", rng.random((9, 10, 1)).astype(np.float32))
        assert decode(tmp_path / "a.nii.gz").values.shape == (1, 10, 9)
        self.write(tmp_path / "b.nii.gz", rng.random((9, 10, 2)).astype(np.float32))
        with pytest.raises(DataError, match="holds 2 slices"):
            decode(tmp_path / "b.nii.gz")

    def test_a_truncated_file_gets_a_sentence(self, tmp_path, rng):
        self.write(tmp_path / "a.nii.gz", rng.random((30, 30, 1)).astype(np.float32))
        content = (tmp_path / "a.nii.gz").read_bytes()
        (tmp_path / "a.nii.gz").write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match="cannot be decoded"):
            decode(tmp_path / "a.nii.gz")


@pytest.mark.skipif(installed("pydicom") is None, reason="an extra that is not installed")
class TestDICOM:
    pydicom = installed("pydicom")

    def write(self, path, pixels, photometric="MONOCHROME2", **more):
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
        data.PatientName, data.Rows, data.Columns = "Doe^Jane", *pixels.shape
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, photometric, 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
        data.PixelData = pixels.astype(np.uint16).tobytes()
        for name, value in more.items():
            setattr(data, name, value)
        data.save_as(path, enforce_file_format=True)

    def test_values_are_those_of_the_modality(self, tmp_path, values):
        self.write(tmp_path / "x.dcm", values[0], RescaleSlope=2, RescaleIntercept=-1024)
        np.testing.assert_allclose(decode(tmp_path / "x.dcm").values[0], 2.0 * values[0] - 1024)

    def test_what_shows_dark_as_bright_is_turned_round(self, tmp_path, values):
        self.write(tmp_path / "x.dcm", values[0], "MONOCHROME1")
        np.testing.assert_array_equal(decode(tmp_path / "x.dcm").values[0], 4095 - values[0])

    def test_the_name_does_not_decide(self, tmp_path, values):
        self.write(tmp_path / "IM0001", values[0])
        assert decode(tmp_path / "IM0001").kind.startswith("DICOM")

    @pytest.mark.parametrize("place", [{}, {"slice": True}], ids=["an X-ray, nowhere", "a slice of a patient"])
    @pytest.mark.parametrize("mask", [np.eye(9, 10) > 0, np.zeros((9, 10), bool)], ids=["a diagonal", "nothing"])
    def test_a_segmentation_refers_to_its_image_and_names_no_patient(self, tmp_path, values, rng, place, mask):
        """Read back by pydicom and highdicom."""
        highdicom = pytest.importorskip("highdicom")
        from acdm.data.images.dicom import dicom_seg

        uid = self.pydicom.uid.generate_uid
        kind = "CTImageStorage" if place else "DigitalXRayImageStorageForPresentation"
        tied = {"SOPClassUID": getattr(self.pydicom.uid, kind), "SOPInstanceUID": uid(), "StudyInstanceUID": uid()}
        known = {
            "PatientID": "Z4711Z",
            "PatientBirthDate": "19700101",
            "StudyDate": "20200202",
            "SeriesInstanceUID": uid(),
        }
        where = {
            "FrameOfReferenceUID": uid(), "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "SliceThickness": 3,
            "ImagePositionPatient": [-5.5, 6, 7], "PixelSpacing": [0.5, 0.25],
        } if place else {}  # fmt: skip
        self.write(tmp_path / "x.dcm", values[0, :9, :10], **tied, **known, **where)
        (tmp_path / "seg.dcm").write_bytes(dicom_seg(tmp_path / "x.dcm", mask, "Tumör 腫瘍"))
        seg = highdicom.seg.segread(tmp_path / "seg.dcm")
        (study, series, image), *more = seg.get_source_image_uids()
        assert (study, series, image, more) == (
            tied["StudyInstanceUID"],
            known["SeriesInstanceUID"],
            tied["SOPInstanceUID"],
            [],
        )
        pixels = seg.get_pixels_by_source_instance([image], assert_missing_frames_are_empty=True)
        np.testing.assert_array_equal(pixels[0, :, :, 0] > 0, mask)
        assert seg.SegmentSequence[0].SegmentLabel == "Tumör 腫瘍"
        if place:
            shared = seg.SharedFunctionalGroupsSequence[0]
            assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.5, 0.25]
            frame = seg.PerFrameFunctionalGroupsSequence[0]
            assert frame.PlanePositionSequence[0].ImagePositionPatient == [-5.5, 6, 7]
        content = (tmp_path / "seg.dcm").read_bytes()
        assert not any(secret in content for secret in (b"Jane", b"Z4711Z", b"19700101", b"20200202"))

    def test_a_header_that_does_not_do_gets_a_sentence(self, tmp_path, values):
        from acdm.data.images.dicom import dicom_seg

        ct = {"SOPClassUID": self.pydicom.uid.CTImageStorage}
        uids = dict.fromkeys(("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"), "1.2.3")
        self.write(tmp_path / "nowhere.dcm", values[0], **ct, **uids)
        self.write(tmp_path / "x.dcm", values[0], **ct, **{**uids, "SeriesInstanceUID": ""})
        with pytest.raises(DataError, match="since it has no SeriesInstanceUID"):
            dicom_seg(tmp_path / "x.dcm", values[0] > 0, "tumour")
        self.write(tmp_path / "odd.dcm", values[0], **ct, **uids, FrameOfReferenceUID="1.2", SliceThickness="3.25")
        (tmp_path / "odd.dcm").write_bytes((tmp_path / "odd.dcm").read_bytes().replace(b"3.25", b"3,25"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(DataError, match=r"odd.dcm: no segmentation can refer to it \("):
                dicom_seg(tmp_path / "odd.dcm", values[0] > 0, "tumour")
        with pytest.raises(DataError, match=r"nowhere.dcm: no segmentation can refer to it \(.*Frame Of Reference"):
            dicom_seg(tmp_path / "nowhere.dcm", values[0] > 0, "tumour")
        self.write(tmp_path / "x.dcm", values[0])
        with pytest.raises(DataError, match="no segmentation can refer to it, since it has no SOPClassUID"):
            dicom_seg(tmp_path / "x.dcm", values[0] > 0, "tumour")
