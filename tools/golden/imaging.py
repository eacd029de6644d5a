"""Writes libs/imaging/golden: small files in every layout that the decoders read, and what numpy, nibabel and pydicom
say of them; and e2e/fixtures/real-images: the small real images that Python packages carry.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install numpy==2.4.6 nibabel==5.4.2 pydicom==3.0.2
    /tmp/golden/bin/pip download --no-deps scikit-image==0.26.0 -d /tmp/golden && unzip -d /tmp/golden/skimage /tmp/golden/scikit_image*.whl
    /tmp/golden/bin/python tools/golden/imaging.py /tmp/golden/skimage
"""

import hashlib
import json
import pathlib
import shutil
import sys

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "libs/imaging/golden"
REAL = ROOT / "e2e/fixtures/real-images"
RANDOM = np.random.default_rng(20240612)


def described(name, values, spacing=None):
    """Shape, spacing and every value in C order; of large images the hash of the float32 values."""
    values = np.array(values, order="C")
    golden = {"file": name, "shape": list(values.shape)}
    if spacing is not None:
        golden["spacingMm"] = [float(edge) for edge in spacing]
    if values.size <= 600:
        golden["values"] = values.astype(float).ravel().tolist()
    else:
        golden["float32Sha256"] = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    return golden


def npz():
    arrays = {}
    for dtype in ["|u1", "|i1", "|b1", "<u2", ">u2", "<i2", ">i2", "<u4", "<i4", ">i4", "<u8", "<i8", ">i8"]:
        info = np.iinfo(dtype) if "b" not in dtype else None
        low, high = (0, 2) if info is None else (max(info.min, -(2**52)), min(info.max, 2**52))
        arrays[f"array_{dtype[1:]}_{'be' if dtype[0] == '>' else 'le'}"] = RANDOM.integers(low, high, (2, 3, 4)).astype(dtype)
    for dtype in ["<f4", ">f4", "<f8", ">f8"]:
        arrays[f"array_{dtype[1:]}_{'be' if dtype[0] == '>' else 'le'}"] = RANDOM.normal(size=(2, 3, 4)).astype(dtype)
    arrays["fortran"] = np.asfortranarray(RANDOM.integers(0, 256, (4, 3, 2), dtype=np.uint8))
    arrays["fortran_be"] = np.asfortranarray(RANDOM.normal(size=(2, 5, 3)).astype(">f8"))
    arrays["scalar"] = np.array(7, dtype="<i4")
    arrays["empty"] = np.zeros((0, 28, 28), dtype=np.uint8)
    np.savez_compressed(OUT / "deflated.npz", **arrays)
    np.savez(OUT / "stored.npz", **dict(list(arrays.items())[:3]))
    return {
        "deflated.npz": {name: described(name, array) for name, array in arrays.items()},
        "stored.npz": {name: described(name, array) for name, array in list(arrays.items())[:3]},
    }


def nifti_golden(name, image):
    canonical = nib.as_closest_canonical(image)
    values = np.asarray(canonical.dataobj, dtype=np.float64)
    while values.ndim > 3:
        values = values[..., 0]
    zooms = [float(edge) for edge in canonical.header.get_zooms()[:3]]
    values, zooms = values.transpose(2, 1, 0), zooms[::-1]
    return described(name, values[..., None], zooms)


def nifti():
    golden = []
    turn = np.array([[0, -1, 0], [0, 0, 1], [1, 0, 0]]) @ np.diag([0.8, 0.9, 2.5])
    oblique = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]]) @ np.diag([-1.5, 1.0, 2.0])

    def save(name, data, affine, slope=None, inter=None, kind=nib.Nifti1Image, endian="<", qform_only=False, neither=False):
        header = kind.header_class(endianness=endian)
        header.set_data_dtype(data.dtype)
        image = kind(data, affine, header)
        if qform_only:
            image.set_sform(None, 0)
            image.set_qform(affine, 1)
        if neither:
            image.set_sform(None, 0)
            image.set_qform(None, 0)
        if slope is not None:
            image.header.set_slope_inter(slope, inter)
            raw = data
            path = OUT / name
            image.header.set_data_offset(352)
            with (path.open("wb")) as out:
                out.write(image.header.binaryblock + b"\0\0\0\0")
                out.write(raw.astype(raw.dtype.newbyteorder(endian)).tobytes(order="F"))
        else:
            nib.save(image, OUT / name)
        golden.append(nifti_golden(name, nib.load(OUT / name)))

    for dtype in [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64]:
        info = np.iinfo(dtype)
        data = RANDOM.integers(max(info.min, -100_000), min(info.max, 100_000), (3, 4, 5)).astype(dtype)
        save(f"{np.dtype(dtype).name}.nii", data, np.diag([2, 1.5, 1, 1]))
    affine = np.eye(4)
    affine[:3, :3] = turn
    save("turned.nii.gz", RANDOM.normal(size=(3, 4, 5)).astype(np.float32), affine)
    affine = np.eye(4)
    affine[:3, :3] = oblique
    save("oblique-big-endian.nii", RANDOM.integers(-900, 900, (4, 3, 2)).astype(np.int16), affine, endian=">")
    save("qform.nii", RANDOM.integers(-900, 900, (4, 3, 2)).astype(np.int16), affine, qform_only=True)
    save("no-orientation.nii", RANDOM.integers(-900, 900, (4, 3, 2)).astype(np.int16), np.diag([3, 2, 1, 1]), neither=True)
    save("scaled.nii", RANDOM.integers(-900, 900, (3, 3, 3)).astype(np.int16), np.diag([1, 1, 1, 1]), slope=0.0754, inter=-3.5)
    save("nifti2.nii.gz", RANDOM.normal(size=(3, 4, 5, 1)), np.diag([-1, -1, 1, 1]), kind=nib.Nifti2Image)
    anatomical = pathlib.Path(nib.__file__).parent / "tests/data/anatomical.nii"
    shutil.copyfile(anatomical, REAL / "mri/anatomical.nii")
    golden.append(nifti_golden("real:mri/anatomical.nii", nib.load(anatomical)))
    return golden


def dicom_golden(name, path):
    data = pydicom.dcmread(path)
    stored = data.pixel_array.astype(np.float64)
    if data.PhotometricInterpretation == "MONOCHROME1":
        stored = (-1 if data.PixelRepresentation else 2**data.BitsStored - 1) - stored
    values = stored * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))
    spacing = data.get("PixelSpacing")
    if spacing is not None and values.ndim == 3:
        spacing = [data.SpacingBetweenSlices, *spacing]
    return described(name, values.astype(np.float32)[..., None], spacing)


def dicom():
    golden = []

    def save(name, pixels, syntax=ExplicitVRLittleEndian, **attributes):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = "2.25.1"
        meta.TransferSyntaxUID = syntax
        data = FileDataset(name, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, "2.25.1"
        data.Modality, data.PatientID, data.PatientName = "CT", "SECRET-4711", "Secret^Name"
        data.Rows, data.Columns = pixels.shape[-2:]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
        data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(pixels.dtype.kind == "i")
        if pixels.ndim == 3:
            data.NumberOfFrames = pixels.shape[0]
        data.PixelData = pixels.tobytes()
        data["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
        for key, value in attributes.items():
            setattr(data, key, value)
        data.save_as(OUT / name, enforce_file_format=True)
        golden.append(dicom_golden(name, OUT / name))

    twelve = RANDOM.integers(0, 4096, (6, 8)).astype(np.uint16)
    save("unsigned-8.dcm", RANDOM.integers(0, 256, (6, 8)).astype(np.uint8))
    save("signed-16-rescaled.dcm", RANDOM.integers(-3000, 3000, (6, 8)).astype(np.int16), RescaleSlope="0.5", RescaleIntercept="-1024", PixelSpacing=[0.7, 0.9])
    save("implicit.dcm", twelve, syntax=ImplicitVRLittleEndian, BitsStored=12, HighBit=11, BodyPartExamined="CHEST")
    save("monochrome1-12.dcm", twelve, BitsStored=12, HighBit=11, PhotometricInterpretation="MONOCHROME1")
    signed12 = RANDOM.integers(-2048, 2048, (6, 8)).astype(np.int16)
    save("signed-12-high-bits-set.dcm", (signed12 & 0x0FFF | 0x5000).astype(np.int16), BitsStored=12, HighBit=11)
    save("frames.dcm", RANDOM.integers(0, 4096, (3, 4, 5)).astype(np.uint16), BitsStored=12, HighBit=11, SpacingBetweenSlices="2.5", PixelSpacing=[0.7, 0.9])

    bundled = pathlib.Path(pydicom.__file__).parent / "data/test_files"
    for source, target in [
        ("CT_small.dcm", "ct/CT_small.dcm"),
        ("MR_small.dcm", "mri/MR_small.dcm"),
        ("dicomdirtests/77654033/CR1/6154", "xray/6154"),
    ]:
        shutil.copyfile(bundled / source, REAL / target)
        golden.append(dicom_golden(f"real:{target}", REAL / target))
    shutil.copyfile(bundled / "MR_truncated.dcm", OUT / "refused-MR_truncated.dcm")
    return golden


def percentiles():
    cases = []
    for dtype, size in [(np.int16, 20), (np.int16, 9000), (np.uint16, 5000), (np.float32, 333), (np.float64, 7)]:
        values = RANDOM.normal(size=size) * 300 + 500
        values = values.clip(0, None).astype(dtype) if dtype == np.uint16 else values.astype(dtype)
        if size <= 400:
            low, high = np.percentile(values.astype(np.float64), [1, 99.5])
            cases.append({"type": np.dtype(dtype).name, "values": values.astype(float).tolist(), "low": low, "high": high})
        else:
            # The same numbers by a formula, so that the file stays small.
            values = ((np.arange(size, dtype=np.int64) * 7919) % 30011).astype(dtype)
            low, high = np.percentile(values.astype(np.float64), [1, 99.5])
            cases.append({"type": np.dtype(dtype).name, "formula": size, "low": low, "high": high})
    return cases


def main():
    for old in OUT.glob("*.*"):
        old.unlink()
    golden = {"npz": npz(), "nifti": nifti(), "dicom": dicom(), "percentiles": percentiles()}
    versions = {"numpy": np.__version__, "nibabel": nib.__version__, "pydicom": pydicom.__version__}
    (OUT / "imaging.json").write_text(json.dumps({"generator": "tools/golden/imaging.py", "versions": versions, **golden}) + "\n")
    shutil.copyfile(pathlib.Path(sys.argv[1]) / "skimage/data/microaneurysms.png", REAL / "fundus/microaneurysms.png")


main()
