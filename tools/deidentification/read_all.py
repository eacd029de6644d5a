"""Reads DICOM files with pydicom, every element of them, and prints what it saw as JSON: for the specs of libs/deidentify.

PYTHONPATH=.cache/format-samples/python python3 tools/deidentification/read_all.py FOLDER
"""

import hashlib
import json
import pathlib
import sys
import warnings

import pydicom

seen = {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        dataset = pydicom.dcmread(path)
        elements = [element for element in dataset.iterall()]
        pixels = dataset.get_item(0x7FE00010)
        pixels = dataset.PixelData if pixels is not None else b""
    seen[path.name] = {
        "elements": len(elements),
        "private": sum(element.tag.is_private for element in elements),
        "removed": dataset.PatientIdentityRemoved,
        "instance": dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID,
        "syntax": dataset.file_meta.TransferSyntaxUID,
        "pixels": hashlib.sha256(pixels).hexdigest(),
        "warnings": sorted({str(warning.message) for warning in said}),
    }
print(json.dumps(seen))
