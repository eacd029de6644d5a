"""Files to normalised arrays by pydicom, nibabel, numpy or Pillow in a pool of processes; the parent gets the arrays."""

import hashlib
import io
import json
import multiprocessing
import pathlib
import sys

import numpy as np

case = json.loads(sys.argv[1])


def scaled(values):
    """The CT window of ingestion, as uint16."""
    if values.dtype == np.uint8:
        return values
    share = (values.astype(np.float32) + np.float32(1000)) / np.float32(2000)
    return np.floor(np.clip(share, 0, 1) * np.float32(65535) + np.float32(0.5)).astype(np.uint16)


def read(path):
    raw = path.read_bytes()
    hashlib.sha256(raw).hexdigest()
    if case["format"].startswith("dicom"):
        import pydicom
        from pydicom.pixels import apply_rescale

        data = pydicom.dcmread(io.BytesIO(raw))
        return scaled(apply_rescale(data.pixel_array, data))
    if case["format"].startswith("nifti"):
        import nibabel

        image = nibabel.as_closest_canonical(nibabel.load(path))
        return scaled(np.asarray(image.dataobj))
    if case["format"] == "npz":
        (array,) = np.load(io.BytesIO(raw)).values()
        return scaled(array)
    import PIL.Image

    return scaled(np.asarray(PIL.Image.open(io.BytesIO(raw))))


def main():
    from serve import serve

    paths = sorted(pathlib.Path(case["folder"]).iterdir())
    with multiprocessing.Pool(case["parallel"]) as pool:
        arrays = pool.map(read, paths, chunksize=1)
        facts = {"decodedMb": sum(a.nbytes for a in arrays) / 1e6, "sum": int(sum(a.sum(dtype=np.int64) for a in arrays))}
        serve(lambda: pool.map(read, paths, chunksize=1), facts)


if __name__ == "__main__":
    main()
