"""Makes the files of a read case, once: noisy smooth images as scanners give them, different in every file."""

import json
import pathlib
import sys

import numpy as np

case = json.loads(sys.argv[1])
folder = pathlib.Path(case["folder"])
RANDOM = np.random.default_rng(7)


def image(shape):
    grids = np.meshgrid(*[np.linspace(0, 6, edge) for edge in shape], indexing="ij")
    wave = sum(np.sin(grid + RANDOM.random() * 6) for grid in grids) / len(shape)
    return (wave * 600 + RANDOM.normal(0, 12, shape) + 100).clip(-1000, 1900).astype(np.int16)


def dicom(path):
    import pydicom
    from pydicom import uid
    from pydicom.dataset import FileDataset, FileMetaDataset

    pixels = image((512, 512))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = uid.CTImageStorage, "2.25.1"
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = uid.CTImageStorage, "2.25.1", "CT"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept = "1", "0"
    data.PixelData = pixels.tobytes()
    kind = case["format"].removeprefix("dicom-")
    if kind == "rle":
        data.compress(uid.RLELossless, encoding_plugin="pylibjpeg")
    elif kind == "jpeg-2000":
        data.compress(uid.JPEG2000Lossless)
    elif kind == "jpeg-ls":
        # JPEG-LS has no sign: stored values from 0, as scanners write them.
        data.PixelRepresentation, data.RescaleIntercept = 0, "-1024"
        data.PixelData = (pixels.astype(np.int32) + 1024).astype(np.uint16).tobytes()
        data.compress(uid.JPEGLSLossless)
    data.save_as(path, enforce_file_format=True)
    if kind == "jpeg-lossless":
        import gdcm

        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.Write()


def write(index):
    kind = case["format"]
    if kind.startswith("dicom"):
        dicom(folder / f"{index:03}.dcm")
    elif kind.startswith("nifti"):
        import nibabel

        ending = "nii.gz" if kind.endswith("gz") else "nii"
        nibabel.save(nibabel.Nifti1Image(image((128, 128, 128)), np.diag([-1, -1, 1.5, 1])), folder / f"{index:03}.{ending}")
    elif kind == "npz":
        np.savez_compressed(folder / f"{index:03}.npz", image=image((64, 64, 64)))
    else:
        import PIL.Image

        grey = ((image((512, 512)).astype(np.int32) + 1000) // 12).clip(0, 255).astype(np.uint8)
        PIL.Image.fromarray(grey).save(folder / f"{index:03}.png")


folder.mkdir(parents=True, exist_ok=True)
if len(list(folder.iterdir())) != case["files"]:
    for old in folder.iterdir():
        old.unlink()
    for index in range(case["files"]):
        write(index)
