"""DICOM images in, DICOM segmentations out.

No patient's name, number or date passes through; the identifiers of study, series and image do, without which a
segmentation cannot refer to them, and some devices write dates into them.

Standard: DICOM PS3.3 A.51 "Segmentation IOD".
"""

from importlib import import_module
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from acdm.core.extras import extra
from acdm.data.images.arrays import Array, Mask
from acdm.data.images.raw import Raw, require_size, undecodable
from acdm.errors import DataError

NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns")
PLACE = (
    "FrameOfReferenceUID", "ImageOrientationPatient", "ImagePositionPatient",
    "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "Modality",
)  # fmt: skip
BLANK = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName", "PositionReferenceIndicator",
)  # fmt: skip


def read_dicom(path: Path) -> Raw:
    """One DICOM image in its modality's units (Hounsfield units for CT), bright where MONOCHROME1 shows dark.

    Raises:
        DataError: a sentence that begins with the path.
    """
    pydicom = extra("pydicom", "medical", f"{path}: reading DICOM")
    try:
        data = pydicom.dcmread(path)
        frames = int(data.get("NumberOfFrames") or 1)
        if frames > 1:
            raise DataError(f"{path}: holds {frames} frames; save the one that is meant")
        require_size(path, int(data.Rows), int(data.Columns), int(data.SamplesPerPixel))
        if data.PhotometricInterpretation == "PALETTE COLOR":
            raise DataError(f"{path}: a palette image; save it as grey or RGB")
        if "PixelData" not in data and "FloatPixelData" not in data and "DoubleFloatPixelData" not in data:
            raise DataError(f"{path}: holds no pixels; remove it")
        values, valid, depth = _units(import_module("pydicom.pixels"), data)
    except DataError:
        raise
    except Exception as error:  # pydicom raises whatever its many decoders raise
        if "missing" in str(error) and ("dependencies" in str(error) or "plugin" in str(error)):
            raise DataError(
                f"{path}: its compression ({data.file_meta.TransferSyntaxUID.name}) needs a decoder:"
                " pip install python-gdcm"
            ) from None
        raise undecodable(path, error) from None
    return Raw(values, f"DICOM, {len(values)} channels, {data.get('BitsStored', 32)} bits", depth, valid)


def _units(pixels: ModuleType, data: Any) -> tuple[Array, Mask | None, float | None]:
    """Values (C, H, W) in the modality's units, which pixels are no padding, and the depth of plain 8-bit pictures.

    A modality LUT or a rescale is applied, that of an enhanced image from its functional groups (PS3.3 C.11.1,
    C.7.6.16.2.9).
    """
    stored = pixels.pixel_array(data)
    if stored.ndim == 3 and str(data.PhotometricInterpretation).startswith("YBR"):
        stored = pixels.convert_color_space(stored, data.PhotometricInterpretation, "RGB")
    valid = _no_padding(data, stored)
    dark_first = data.PhotometricInterpretation == "MONOCHROME1"
    if dark_first and not data.get("ModalityLUTSequence"):
        stored = _sum_of_ends(data) - stored.astype(np.int64)
    values, plain = pixels.apply_modality_lut(stored, data), not _has_modality(data)
    for group in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        if plain and (found := data.get(group)) and (rescale := found[0].get("PixelValueTransformationSequence")):
            values = np.asarray(values, np.float64) * float(rescale[0].RescaleSlope) + float(
                rescale[0].RescaleIntercept
            )
            plain = False
    if dark_first and (table := data.get("ModalityLUTSequence")):
        values = 2 ** int(table[0].LUTDescriptor[2]) - 1 - np.asarray(values, np.float64)
    values = np.asarray(values, np.float32)
    values = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    bits, signed = int(data.get("BitsStored", 32)), int(data.get("PixelRepresentation", 0))
    depth = 255.0 if plain and bits == 8 and not signed else None
    return np.ascontiguousarray(values), valid, depth


def _has_modality(data: Any) -> bool:
    slope, intercept = float(data.get("RescaleSlope", 1) or 1), float(data.get("RescaleIntercept", 0) or 0)
    return bool(data.get("ModalityLUTSequence")) or (slope, intercept) != (1, 0)


def _sum_of_ends(data: Any) -> int:
    """Lowest plus highest value that a stored pixel can have, between which MONOCHROME1 is turned round."""
    return -1 if int(data.PixelRepresentation) else 2 ** int(data.BitsStored) - 1


def _no_padding(data: Any, stored: Any) -> Mask | None:
    """False where pixels are padding (PS3.3 C.7.5.1.1.2); None where all count or the image has several channels."""
    padding = data.get("PixelPaddingValue")
    if padding is None or stored.ndim != 2:
        return None
    ends = sorted((int(padding), int(data.get("PixelPaddingRangeLimit", padding))))
    valid = (stored < ends[0]) | (stored > ends[1])
    return None if valid.all() or not valid.any() else np.asarray(valid)


def says_dicom(head: bytes) -> bool:
    """Whether a file begins as DICOM files do (PS3.10); its first 128 bytes may say something else, too."""
    return head[128:132] == b"DICM"


def is_dicom(path: Path) -> bool:
    """By the file's content; what cannot be read is none."""
    try:
        with path.open("rb") as file:
            return says_dicom(file.read(132))
    except OSError:
        return False


def dicom_seg(path: Path, mask: Mask, category: str) -> bytes:
    """A mask (H, W) of a DICOM image as a binary DICOM segmentation that refers to it, and lies where it lies.

    Of the image's header it takes the identifiers that tie it to its image, and geometry.

    Raises:
        DataError: a sentence that begins with the path, where the image's header does not do, or highdicom is missing.
    """
    highdicom = extra("highdicom", "medical", f"{path}: writing DICOM segmentations")
    pydicom, seg = import_module("pydicom"), highdicom.seg  # the former comes with it
    try:
        found = pydicom.dcmread(path, stop_before_pixels=True)
        if missing := [name for name in NEEDED if not found.get(name)]:
            raise DataError(f"{path}: no segmentation can refer to it, since it has no {', '.join(missing)}")
        source = pydicom.Dataset()
        source.SpecificCharacterSet = "ISO_IR 192"  # UTF-8
        source.Modality = "OT"  # other; what a file without one is
        for name in (*NEEDED, *PLACE):
            if name in found:
                setattr(source, name, found[name].value)
        if "PixelSpacing" in source and not source.get("SliceThickness"):  # without one no reader takes the geometry
            source.SliceThickness = source.get("SpacingBetweenSlices") or 1.0
        for name in BLANK:
            setattr(source, name, None)
        distinct = pydicom.sr.coding.Code("distinct", "99ACDM", "What distinguishes a class")
        how = highdicom.AlgorithmIdentificationSequence(
            "acdm", pydicom.sr.codedict.codes.DCM.ArtificialIntelligence, version("acdm")
        )
        what = category.replace("\\", "/")[:64]
        made = seg.Segmentation(
            [source],
            np.asarray(mask, np.uint8)[None],
            seg.SegmentationTypeValues.BINARY,
            [seg.SegmentDescription(1, what, distinct, distinct, seg.SegmentAlgorithmTypeValues.AUTOMATIC, how)],
            series_instance_uid=pydicom.uid.generate_uid(),
            series_number=1,
            sop_instance_uid=pydicom.uid.generate_uid(),
            instance_number=1,
            manufacturer="acdm",
            manufacturer_model_name="acdm",
            software_versions=version("acdm"),
            device_serial_number="0",
        )
        buffer = BytesIO()
        made.save_as(buffer)
    except DataError:
        raise
    except Exception as error:  # pydicom and highdicom raise many kinds for headers against the standard
        raise DataError(f"{path}: no segmentation can refer to it ({error})") from None
    return buffer.getvalue()
