"""Files to shards and a manifest by pydicom, nibabel, numpy or Pillow in a pool of processes.

Planned by the headers, so that every process writes whole shards and no pixel goes from one to another; the same
steps as the product's: SHA-256 of every file, DICOM cleaned of identities, values normalised by the rule of the
modality, shards in safetensors' layout under their SHA-256, synced to the disk, then the manifest.
"""

import hashlib
import hmac
import io
import json
import multiprocessing
import os
import pathlib
import shutil
import struct
import sys
import zipfile

import numpy as np

case = json.loads(sys.argv[1])
KEY = b"the key of the benchmark"
OUT = pathlib.Path(case["out"])
DICOM = case["format"] == "ct-series"

#: Of the attributes of PS3.15 table E.1-1 what a CT object usually holds: removed, emptied, hashed.
REMOVED = {
    "InstitutionAddress", "InstitutionName", "OperatorsName", "StationName", "DeviceSerialNumber", "RequestedProcedureID",
    "ScheduledProcedureStepID", "RequestAttributesSequence", "InstitutionalDepartmentName", "PhysiciansOfRecord",
    "PerformingPhysicianName", "OtherPatientIDs", "PatientAddress", "MedicalRecordLocator", "AdditionalPatientHistory",
}
EMPTIED = {"PatientName", "PatientBirthDate", "AccessionNumber", "ReferringPhysicianName", "StudyID"}


def hashed(value):
    return hmac.new(KEY, str(value).encode(), hashlib.sha256).hexdigest()[:32]


def clean(data):
    """The data set without identities, in place."""
    import datetime

    shift = datetime.timedelta(days=1 + int(hashed(data.PatientID)[:12], 16) % 3652)
    words = {str(data.PatientID), *str(data.get("PatientName", "")).split("^")}

    def change(owner, element):
        if element.keyword in REMOVED or element.tag.is_private:
            del owner[element.tag]
        elif element.keyword in EMPTIED:
            element.value = ""
        elif element.keyword == "PatientID":
            element.value = hashed(element.value)
        elif element.VR == "UI" and not str(element.value).startswith("1.2.840.10008."):
            element.value = "2.25." + str(int(hashed(element.value), 16))
        elif element.VR == "DA" and element.value:
            day = datetime.datetime.strptime(element.value, "%Y%m%d") - shift
            element.value = day.strftime("%Y%m%d")
        elif element.VR in ("LO", "SH", "ST", "LT") and element.value:
            if any(word and word in str(element.value) for word in words):
                element.value = ""

    data.walk(change)
    data.PatientIdentityRemoved = "YES"


def scaled(values, low, high):
    span = np.float32(high - low)
    if not span > 0:
        return np.zeros(values.shape, np.uint16)
    share = (values.astype(np.float32) - np.float32(low)) / span
    return np.floor(np.clip(share, 0, 1) * np.float32(65535) + np.float32(0.5)).astype(np.uint16)


def normalised(values):
    if values.dtype == np.uint8:
        return values
    if case["modality"] == "ct":
        return scaled(values, -1000, 1000)
    return scaled(values, *np.percentile(values, [1, 99.5]))


def described(path):
    """What the plan needs: a key that joins slices, the place among them, bytes of pixels."""
    if DICOM:
        import pydicom

        data = pydicom.dcmread(path, stop_before_pixels=True)
        rows, columns = np.reshape(data.ImageOrientationPatient, (2, 3)).astype(float)
        place = float(np.dot(np.cross(rows, columns), np.asarray(data.ImagePositionPatient, float)))
        return (data.PatientID, data.SeriesInstanceUID), place, data.Rows * data.Columns * 2, path
    if case["format"].startswith("nifti"):
        import nibabel

        return path, 0, int(np.prod(nibabel.load(path).shape)) * 2, path
    if case["format"] == "npz":
        with zipfile.ZipFile(path) as archive:
            return path, 0, archive.infolist()[0].file_size, path
    import PIL.Image

    with PIL.Image.open(path) as image:
        return path, 0, image.width * image.height, path


def plan(pool, paths):
    """Items of one or more files, in as many shards as their pixels fill."""
    items = {}
    for key, place, size, path in pool.map(described, paths, chunksize=8):
        items.setdefault(key, []).append((place, size, path))
    shards, filled = [[]], 0
    for files in items.values():
        size = sum(one for _, one, _ in files)
        if filled + size > case["shardBytes"] - 65536 and shards[-1]:
            shards.append([])
            filled = 0
        shards[-1].append([path for _, _, path in sorted(files)])
        filled += size
    return shards


def pixels_of(raw, path):
    if DICOM:
        import pydicom
        from pydicom.pixels import apply_rescale

        data = pydicom.dcmread(io.BytesIO(raw))
        clean(data)
        return apply_rescale(data.pixel_array, data)
    if case["format"].startswith("nifti"):
        import nibabel

        image = nibabel.as_closest_canonical(nibabel.Nifti1Image.from_bytes(gunzipped(raw)))
        return np.asarray(image.dataobj).T
    if case["format"] == "npz":
        (array,) = np.load(io.BytesIO(raw)).values()
        return array
    import PIL.Image

    return np.asarray(PIL.Image.open(io.BytesIO(raw)))


def gunzipped(raw):
    import gzip

    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def item_of(paths):
    parts, sources = [], []
    for path in paths:
        raw = path.read_bytes()
        sources.append(hashlib.sha256(raw).hexdigest())
        parts.append(pixels_of(raw, path))
    values = np.stack(parts) if DICOM else parts[0]
    pixels = np.ascontiguousarray(normalised(values))
    source = sources[0] if len(sources) == 1 else hashlib.sha256("\n".join(sources).encode()).hexdigest()
    return pixels, {"id": source[:16], "source": source, "shape": pixels.shape, "modality": case["modality"]}


def write_shard(items):
    made = [item_of(paths) for paths in items]
    header, at, bodies = {}, 0, []
    for index, (pixels, record) in enumerate(made):
        kind = "U16" if pixels.dtype == np.uint16 else "U8"
        header[str(index)] = {"dtype": kind, "shape": pixels.shape, "data_offsets": [at, at + pixels.nbytes]}
        at += pixels.nbytes
        bodies.append(pixels.data)
    header["__metadata__"] = {"records": json.dumps([record for _, record in made])}
    text = json.dumps(header).encode()
    digest = hashlib.sha256()
    parts = [struct.pack("<Q", len(text)), text, *bodies]
    for part in parts:
        digest.update(part)
    name = digest.hexdigest()
    staged = OUT / f".{name}"
    with open(staged, "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    staged.rename(OUT / name)
    return name, len(made)


def ingest(pool, paths):
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    shards = pool.map(write_shard, plan(pool, paths), chunksize=1)
    manifest = json.dumps({"shards": shards, "images": sum(images for _, images in shards)}).encode()
    with open(OUT / "manifest.json", "wb") as file:
        file.write(manifest)
        file.flush()
        os.fsync(file.fileno())
    return shards


def total(shards):
    """Of all pixels in the shards, read back."""
    found = 0
    for name, _ in shards:
        raw = (OUT / name).read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + length])
        header.pop("__metadata__")
        for entry in header.values():
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            kind = "<u2" if entry["dtype"] == "U16" else "u1"
            found += int(np.frombuffer(raw[begin:end], kind).sum(dtype=np.int64))
    return found


def main():
    from serve import serve

    paths = sorted(path for path in pathlib.Path(case["folder"]).rglob("*") if path.is_file())
    with multiprocessing.Pool(case["parallel"]) as pool:
        shards = ingest(pool, paths)
        facts = {"sum": total(shards), "shards": len(shards), "images": sum(images for _, images in shards)}
        serve(lambda: ingest(pool, paths), facts)


if __name__ == "__main__":
    main()
