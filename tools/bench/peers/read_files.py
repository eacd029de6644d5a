"""Makes the files of a read or ingest case, once: noisy smooth images as scanners give them, different in every file."""

import json
import pathlib
import shutil
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


def series(index):
    """CT slices of one patient as a scanner sends them, with what names the patient and the hospital."""
    from pydicom import uid
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence

    pixels = image((case["slices"], 512, 512))
    for number, plane in enumerate(pixels):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = uid.CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"2.25.7.{index}.{number}"
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = uid.CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID = f"2.25.5.{index}", f"2.25.6.{index}"
        data.FrameOfReferenceUID = f"2.25.8.{index}"
        data.Modality, data.ImageType, data.BurnedInAnnotation = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], "NO"
        data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = f"202401{index + 1:02}"
        data.StudyTime = data.SeriesTime = data.AcquisitionTime = data.ContentTime = "101500"
        data.PatientName, data.PatientID = f"Name^Given{index}", f"hospital-{index}"
        data.PatientBirthDate, data.PatientSex, data.PatientAge = "19500203", "F", "073Y"
        data.AccessionNumber, data.StudyID = f"A{index}", f"S{index}"
        data.InstitutionName, data.InstitutionAddress = "General Hospital", "1 Main Street"
        data.ReferringPhysicianName, data.OperatorsName = "Doctor^A", "Operator^B"
        data.Manufacturer, data.StationName, data.DeviceSerialNumber = "Maker", "CT01", "4711"
        data.StudyDescription, data.SeriesDescription = "CT chest", "axial 2 mm"
        data.SeriesNumber, data.InstanceNumber = 2, number + 1
        data.BodyPartExamined = "CHEST"
        step = Dataset()
        step.RequestedProcedureID, step.ScheduledProcedureStepID = f"R{index}", f"P{index}"
        step.ScheduledProcedureStepDescription = "CT chest"
        data.RequestAttributesSequence = Sequence([step])
        block = data.private_block(0x0009, "MAKER 1.0", create=True)
        for element in range(8):
            block.add_new(element, "LO", f"private {element} of hospital-{index}")
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 2 * number], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness, data.KVP = [0.7, 0.7], 2, 120
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.Rows, data.Columns = plane.shape
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.RescaleSlope, data.RescaleIntercept = "1", "0"
        data.PixelData = plane.tobytes()
        path = folder / f"{index:03}" / f"{number:03}.dcm"
        path.parent.mkdir(exist_ok=True)
        data.save_as(path, enforce_file_format=True)


def write(index):
    kind = case["format"]
    if kind == "ct-series":
        series(index)
    elif kind.startswith("dicom"):
        dicom(folder / f"{index:03}.dcm")
    elif kind.startswith("nifti"):
        import nibabel

        compressed = index % 2 == 0 if kind == "nifti-both" else kind.endswith("gz")
        ending = "nii.gz" if compressed else "nii"
        nibabel.save(nibabel.Nifti1Image(image((128, 128, 128)), np.diag([-1, -1, 1.5, 1])), folder / f"{index:03}.{ending}")
    elif kind == "npz":
        np.savez_compressed(folder / f"{index:03}.npz", image=image((64, 64, 64)))
    else:
        import PIL.Image

        grey = ((image((512, 512)).astype(np.int32) + 1000) // 12).clip(0, 255).astype(np.uint8)
        PIL.Image.fromarray(grey).save(folder / f"{index:03}.png")


folder.mkdir(parents=True, exist_ok=True)
if len(list(folder.iterdir())) != case["files"]:
    shutil.rmtree(folder)
    folder.mkdir()
    for index in range(case["files"]):
        write(index)
