"""DICOM images in, DICOM segmentations out.

No patient's name, number or date passes through; the identifiers of study, series and image do, without which a
segmentation cannot refer to them, and some devices write dates into them.

Standard: DICOM PS3.3 A.51 "Segmentation IOD".
"""

from importlib import import_module
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np

from acdm.core.extras import extra
from acdm.data.images.arrays import Mask
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
        pixels = np.asarray(data.pixel_array)
        if data.PhotometricInterpretation == "MONOCHROME1":
            highest = -1 if int(data.PixelRepresentation) else 2 ** int(data.BitsStored) - 1
            pixels = highest - pixels.astype(np.int64)
        if data.PhotometricInterpretation == "PALETTE COLOR":
            raise DataError(f"{path}: a palette image; save it as grey or RGB")
        slope, intercept = float(data.get("RescaleSlope") or 1), float(data.get("RescaleIntercept") or 0)
    except DataError:
        raise
    except Exception as error:  # pydicom raises whatever its many decoders raise
        raise undecodable(path, error) from None
    values = pixels.astype(np.float32) * slope + intercept
    values = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    return Raw(np.ascontiguousarray(values), f"DICOM, {len(values)} channels, {data.BitsStored} bits")


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
