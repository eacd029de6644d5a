"""Writes libs/deidentify/golden: DICOM files with a planted value in every attribute of PS3.15 Table E.1-1, at the top
level, in sequences and in sequences of sequences, in private attributes, overlays, curves, the file meta information and
the preamble, in four transfer syntaxes; and planted.json, which lists the values. Written by pydicom, so that the reader
under test is not also the writer.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install pydicom==3.0.2
    /tmp/golden/bin/python tools/golden/deidentification.py
"""

import gzip
import io
import json
import pathlib
import random
import re

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "libs/deidentify/golden"
RANDOM = random.Random(20261124)
CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"
SYNTAXES = {
    "implicit-le": pydicom.uid.ImplicitVRLittleEndian,
    "explicit-le": pydicom.uid.ExplicitVRLittleEndian,
    "explicit-be": pydicom.uid.ExplicitVRBigEndian,
    "deflated": pydicom.uid.DeflatedExplicitVRLittleEndian,
}
# Their values say what the file is: an object of another class would be refused.
FIXED = {"SOPClassUID", "MediaStorageSOPClassUID"}
planted = []


def table():
    text = (ROOT / "libs/deidentify/src/table/attributes.ts").read_text()
    for line in re.search("`(.*)`", text, re.DOTALL)[1].splitlines():
        tag, vr, keyword, *action = line.split(" ")
        if action and keyword not in FIXED and not tag.startswith(("0002", "FFFA")):
            yield int(tag, 16), vr.split("/")[0], keyword


def word(length=10):
    return "".join(RANDOM.choice(CONSONANTS) for _ in range(length))


def digits(length):
    return RANDOM.choice("123456789") + "".join(RANDOM.choice("0123456789") for _ in range(length - 1))


def date():
    return f"{RANDOM.randint(1901, 1999)}{RANDOM.randint(1, 12):02}{RANDOM.randint(1, 28):02}"


def time():
    return f"{RANDOM.randint(0, 23):02}{RANDOM.randint(0, 59):02}{RANDOM.randint(0, 59):02}.{digits(6)}"


VALUES = {
    "AE": word,
    "AS": lambda: "097Y",
    "CS": word,
    "DA": date,
    "DS": lambda: digits(12),
    "DT": lambda: date() + time(),
    "IS": lambda: digits(9),
    "LO": lambda: f"{word()} {word(6)}",
    "LT": lambda: f"{word()} was here on {word(6)}",
    "PN": lambda: f"{word()}^{word(8)}",
    "SH": lambda: word(14),
    "ST": lambda: f"{word()} {word(6)}",
    "TM": time,
    "UC": lambda: f"{word()} {word(6)}",
    "UI": lambda: f"1.2.826.0.1.{digits(18)}",
    "UR": lambda: f"https://{word()}/{word()}",
    "UT": lambda: f"{word()} {word(6)}",
}
BINARY = {"OB", "OW", "OF", "OD", "OL", "OV", "UN"}
NUMBERS = {"US", "SS", "UL", "SL", "FL", "FD", "SV", "UV"}


def plant(where, tag, vr, keyword):
    if vr in VALUES:
        value = VALUES[vr]()
        found = value.encode()
    elif vr in BINARY:
        found = value = RANDOM.randbytes(24)
    else:
        return RANDOM.randint(1, 120)
    planted.append({"where": where, "tag": f"{tag:08X}", "vr": vr, "keyword": keyword, "hex": found.hex()})
    return value


def fill(dataset, where):
    """Every attribute of the table; a sequence holds one item with a text of its own."""
    for tag, vr, keyword in table():
        if vr == "SQ":
            item = Dataset()
            item.add_new(0x00080104, "LO", plant(f"{where}/{keyword}", 0x00080104, "LO", "CodeMeaning"))
            item.add_new(0x00100010, "PN", plant(f"{where}/{keyword}", 0x00100010, "PN", "PatientName"))
            item.add_new(0x00081155, "UI", plant(f"{where}/{keyword}", 0x00081155, "UI", "ReferencedSOPInstanceUID"))
            item.add_new(0x0040A124, "UI", plant(f"{where}/{keyword}", 0x0040A124, "UI", "UID"))
            dataset.add_new(tag, "SQ", Sequence([item]))
        else:
            dataset.add_new(tag, vr, plant(where, tag, vr, keyword))
    for group in (0x0009, 0x0099, 0x7001):
        dataset.add_new((group, 0x10), "LO", plant(where, group << 16 | 0x10, "LO", "private"))
        dataset.add_new((group, 0x1001), "LO", plant(where, group << 16 | 0x1001, "LO", "private"))
        dataset.add_new((group, 0x1002), "OB", plant(where, group << 16 | 0x1002, "OB", "private"))
        hidden = Dataset()
        hidden.add_new(0x00100010, "PN", plant(f"{where}/private", 0x00100010, "PN", "private"))
        dataset.add_new((group, 0x1003), "SQ", Sequence([hidden]))
    # Of no dictionary.
    dataset.add_new(0x00180FFE, "LO", plant(where, 0x00180FFE, "LO", "unknown"))


def build():
    dataset = Dataset()
    fill(dataset, "top")
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.Modality = "CT"
    dataset.BurnedInAnnotation = "NO"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.BodyPartExamined = "CHEST"
    dataset.ConvolutionKernel = "B30f"
    dataset.StudyDescription = f"CT chest with contrast {planted[0] and word()}"
    planted.append({"where": "top", "tag": "00081030", "vr": "LO", "keyword": "StudyDescription",
                    "hex": dataset.StudyDescription.split()[-1].encode().hex()})
    # What a patient is called must not come back in attributes that otherwise stay.
    surname = word()
    dataset.PatientName = f"{surname}^{word(8)}"
    dataset.SequenceName = surname
    planted.append({"where": "top", "tag": "00180024", "vr": "SH", "keyword": "SequenceName", "hex": surname.encode().hex()})
    inner = Dataset()
    fill(inner, "nested")
    deeper = Dataset()
    fill(deeper, "nested twice")
    inner.add_new(0x00082228, "SQ", Sequence([deeper]))
    inner.add_new(0x00080100, "SH", "51185008")
    dataset.add_new(0x00082218, "SQ", Sequence([inner]))
    for group in (0x6000, 0x6002, 0x601E):
        dataset.add_new((group, 0x10), "US", 16)
        dataset.add_new((group, 0x11), "US", 16)
        dataset.add_new((group, 0x22), "LO", plant("top", group << 16 | 0x22, "LO", "overlay"))
        dataset.add_new((group, 0x1500), "LO", plant("top", group << 16 | 0x1500, "LO", "overlay"))
        dataset.add_new((group, 0x4000), "LT", plant("top", group << 16 | 0x4000, "LT", "overlay"))
        dataset.add_new((group, 0x3000), "OW", plant("top", group << 16 | 0x3000, "OW", "overlay"))
    dataset.add_new((0x5000, 0x22), "LO", plant("top", 0x50000022, "LO", "curve"))
    dataset.add_new((0x5000, 0x3000), "OW", plant("top", 0x50003000, "OW", "curve"))
    dataset.add_new(0xFFFAFFFA, "SQ", Sequence([Dataset()]))
    dataset.add_new(0xFFFCFFFC, "OB", plant("top", 0xFFFCFFFC, "OB", "DataSetTrailingPadding"))
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 16, 16, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelSpacing = [0.7, 0.7]
    dataset.add_new(0x7FE00010, "OW", bytes(b if i % 2 == 0 else b % 16 for i, b in enumerate(RANDOM.randbytes(512))))
    return dataset


def meta(dataset, syntax):
    info = FileMetaDataset()
    info.MediaStorageSOPClassUID = dataset.SOPClassUID
    info.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    info.TransferSyntaxUID = syntax
    info.ImplementationClassUID = plant("meta", 0x00020012, "UI", "ImplementationClassUID")
    info.ImplementationVersionName = plant("meta", 0x00020013, "SH", "ImplementationVersionName")
    for tag in (0x00020016, 0x00020017, 0x00020018):
        info.add_new(tag, "AE", plant("meta", tag, "AE", "AE"))
    for tag in (0x00020026, 0x00020027, 0x00020028):
        info.add_new(tag, "UR", plant("meta", tag, "UR", "address"))
    info.PrivateInformationCreatorUID = plant("meta", 0x00020100, "UI", "PrivateInformationCreatorUID")
    info.PrivateInformation = plant("meta", 0x00020102, "OB", "PrivateInformation")
    return info


def main():
    OUT.mkdir(exist_ok=True)
    dataset = build()
    preamble = plant("preamble", 0, "LO", "preamble").encode().ljust(128, b"\0")
    info = meta(dataset, None)
    for name, syntax in SYNTAXES.items():
        info.TransferSyntaxUID = syntax
        file = pydicom.FileDataset(None, dataset, file_meta=info, preamble=preamble)
        out = io.BytesIO()
        implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
        pydicom.dcmwrite(out, file, enforce_file_format=True, implicit_vr=implicit, little_endian=little)
        (OUT / f"planted-{name}.dcm.gz").write_bytes(gzip.compress(out.getvalue(), 9, mtime=0))
        print(name, len(out.getvalue()))
    text = json.dumps(planted, separators=(",", ":")).encode()
    (OUT / "planted.json.gz").write_bytes(gzip.compress(text, 9, mtime=0))
    print(len(planted), "values")


main()
