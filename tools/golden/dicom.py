"""Writes libs/imaging/golden/dicom: small DICOM files of every transfer syntax and pixel layout that is read, and
dicom.json: what pydicom with pylibjpeg, pyjpegls and GDCM decodes of them and of pydicom's own test files.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install numpy==2.4.6 pydicom==3.0.2 pylibjpeg==2.1.0 \
      pylibjpeg-libjpeg==2.5.0 pylibjpeg-openjpeg==2.6.0 pylibjpeg-rle==2.2.0 pyjpegls==1.5.1 python-gdcm==3.2.6 pillow==13.0.0 \
      imagecodecs==2026.3.6
    /tmp/golden/bin/python tools/golden/dicom.py        # from the repository's root, after make build

HTJ2K has no encoder in Python: OpenJPH of the project's own codec package encodes, OpenJPEG decodes what is expected; of
colours OpenHTJ2K too (imagecodecs), and both must agree.
"""

import base64
import hashlib
import io
import json
import pathlib
import subprocess
import warnings

import gdcm
import imagecodecs
import numpy as np
import openjpeg
import PIL.Image
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels import apply_color_lut, apply_modality_lut, convert_color_space, pack_bits
from pydicom.sequence import Sequence
from pydicom import uid as U

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "libs/imaging/golden/dicom"
BUNDLED = pathlib.Path(pydicom.__file__).parent / "data/test_files"
RANDOM = np.random.default_rng(20261124)
golden = []


def base(pixels, photometric, stored, high=None, frames=None, syntax=U.ExplicitVRLittleEndian, planar=0):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = U.CTImageStorage
    meta.MediaStorageSOPInstanceUID = "2.25.1"
    meta.TransferSyntaxUID = syntax
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
    data.SOPClassUID, data.SOPInstanceUID = U.CTImageStorage, "2.25.1"
    data.Modality, data.PatientID, data.PatientName = "CT", "SECRET-4711", "Secret^Name"
    samples = 3 if pixels.ndim - (frames is not None) == 3 else 1
    data.SamplesPerPixel = samples
    data.PhotometricInterpretation = photometric
    offset = 1 if frames is not None else 0
    data.Rows, data.Columns = pixels.shape[offset : offset + 2]
    if frames is not None:
        data.NumberOfFrames = frames
    if samples == 3:
        data.PlanarConfiguration = planar
    data.BitsAllocated = pixels.dtype.itemsize * 8
    data.BitsStored = stored
    data.HighBit = stored - 1 if high is None else high
    data.PixelRepresentation = 1 if pixels.dtype.kind == "i" else 0
    data.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    if len(data.PixelData) % 2:
        data.PixelData += b"\0"
    return data


def write(name, data):
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def described(file, values, frames, tolerance=0, **more):
    values = np.asarray(values, dtype=np.float64)
    if frames == 1 and values.ndim in (2, 3) and (values.ndim == 2 or values.shape[-1] == 3):
        values = values[None]
    if values.ndim == 3:
        values = values[..., None]
    entry = {"file": file, "shape": list(values.shape), "tolerance": tolerance, **more}
    if tolerance == 0:
        entry["float64Sha256"] = hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()
    else:
        flat = values.ravel()
        step = max(1, flat.size // 509)
        entry["step"] = step
        entry["every"] = flat[::step].tolist()
        entry["mean"] = float(flat.mean())
    golden.append(entry)


def reference(data):
    """pydicom's own reading, by every step that the product's reader does too."""
    values = data.pixel_array
    photometric = data.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        return apply_color_lut(values, data)
    if photometric.startswith("YBR") and values.shape[-1] == 3 and not data.file_meta.TransferSyntaxUID.is_encapsulated:
        return values  # pixel_array converts to RGB
    if photometric == "MONOCHROME1":
        values = (-1 if data.PixelRepresentation else 2**data.BitsStored - 1) - values.astype(np.int64)
    if "ModalityLUTSequence" in data or "RescaleSlope" in data:
        scaled = apply_modality_lut(values, data).astype(np.float64)
        return scaled.astype(np.float32)
    return values


def variant(name, data, expected=None, tolerance=0, **more):
    path = write(name, data)
    read = pydicom.dcmread(path)
    frames = int(getattr(read, "NumberOfFrames", 1) or 1)
    found = reference(read)
    if expected is not None and tolerance == 0:
        assert np.array_equal(np.asarray(found, np.float64), np.asarray(expected, np.float64)), name
    described(f"dicom/{name}", found, frames, tolerance, **more)


def encapsulated(data, syntax, frames, kind="basic", fragments=1):
    data.file_meta.TransferSyntaxUID = syntax
    if kind == "extended":
        data.PixelData, data.ExtendedOffsetTable, data.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    else:
        data.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=kind == "basic")
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    return data


def smooth(shape, low, high, dtype):
    rows, columns = shape
    y, x = np.mgrid[0:rows, 0:columns]
    wave = np.sin(x / 3.1) * np.cos(y / 4.3) * 0.5 + 0.5
    noise = RANDOM.random(shape) * 0.1
    return (low + (high - low) * np.clip(wave * 0.9 + noise, 0, 1)).astype(dtype)


def grey_kinds():
    yield "u8", smooth((37, 45), 0, 255, np.uint8), 8
    yield "u12", smooth((37, 45), 0, 4095, np.uint16), 12
    yield "u16", smooth((37, 45), 0, 65535, np.uint16), 16
    yield "s16", smooth((37, 45), -32768, 32767, np.int16), 16
    yield "s12", smooth((37, 45), -2048, 2047, np.int16), 12


def colour():
    return np.stack([smooth((36, 44), 0, 255, np.uint8) for _ in range(3)], axis=-1)


def natives():
    for kind, pixels, stored in grey_kinds():
        for tag, syntax in [("implicit", U.ImplicitVRLittleEndian), ("explicit", U.ExplicitVRLittleEndian), ("deflated", U.DeflatedExplicitVRLittleEndian)]:
            data = base(pixels, "MONOCHROME2", stored, syntax=syntax)
            variant(f"{tag}-{kind}.dcm", data, pixels)
        data = base(pixels, "MONOCHROME2", stored, syntax=U.ExplicitVRBigEndian)
        data.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
        if pixels.itemsize == 1:
            words = np.frombuffer(pixels.tobytes() + b"\0" * (pixels.size % 2), "<u2")
            data.PixelData = words.astype(">u2").tobytes()
        data["PixelData"].VR = "OW"
        variant(f"big-endian-{kind}.dcm", data, pixels)
    for kind, dtype in [("u32", np.uint32), ("s32", np.int32)]:
        pixels = smooth((7, 9), -1e9 if kind == "s32" else 0, 2e9, dtype)
        variant(f"explicit-{kind}.dcm", base(pixels, "MONOCHROME2", 32), pixels)
        data = base(pixels, "MONOCHROME2", 32, syntax=U.ExplicitVRBigEndian)
        data.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
        variant(f"big-endian-{kind}.dcm", data, pixels)
    s8 = smooth((7, 9), -128, 127, np.int8)
    variant("explicit-s8.dcm", base(s8, "MONOCHROME2", 8), s8)
    u4 = smooth((7, 9), 0, 15, np.uint8)
    write("explicit-u4.dcm", base(u4 | 0x80, "MONOCHROME2", 4))
    described("dicom/explicit-u4.dcm", u4, 1)


def layouts():
    bits = RANDOM.integers(0, 2, (3, 5, 7), dtype=np.uint8)
    data = base(bits, "MONOCHROME2", 1, frames=3)
    data.BitsAllocated, data.BitsStored, data.HighBit = 1, 1, 0
    data.PixelData = pack_bits(bits.ravel())
    variant("one-bit-frames.dcm", data, bits)
    u12 = smooth((9, 11), 0, 4095, np.uint16)
    overlays = RANDOM.integers(0, 16, u12.shape).astype(np.uint16) << 12
    write("overlay-bits.dcm", base(u12 | overlays, "MONOCHROME2", 12))
    described("dicom/overlay-bits.dcm", u12, 1)
    below = RANDOM.integers(0, 16, u12.shape).astype(np.uint16)
    write("high-bit-15.dcm", base((u12 << 4) | below, "MONOCHROME2", 12, high=15))
    described("dicom/high-bit-15.dcm", u12, 1)
    s12 = smooth((9, 11), -2048, 2047, np.int16)
    write("signed-overlay-bits.dcm", base(((s12 & 0xFFF) | (overlays & 0x7000)).astype(np.int16), "MONOCHROME2", 12))
    described("dicom/signed-overlay-bits.dcm", s12, 1)
    for kind, pixels, stored in [("u12", u12, 12), ("s12", s12, 12)]:
        variant(f"monochrome1-{kind}.dcm", base(pixels, "MONOCHROME1", stored))
    data = base(s12, "MONOCHROME1", 12)
    data.RescaleSlope, data.RescaleIntercept = "0.5", "-100"
    variant("monochrome1-rescaled.dcm", data)
    data = base(u12, "MONOCHROME2", 12)
    data.RescaleSlope, data.RescaleIntercept = "1", "-1024"
    data.WindowCenter, data.WindowWidth = ["40", "-600"], ["400", "1500"]
    variant("windows.dcm", data, windows=[{"centre": 40, "width": 400}, {"centre": -600, "width": 1500}])
    padded = u12.astype(np.int16) - 1000
    padded[:2] = -2000
    data = base(padded, "MONOCHROME2", 16)
    data.add_new(0x00280120, "SS", -2000)
    data.RescaleSlope, data.RescaleIntercept = "2", "10"
    variant("padded.dcm", data, padding=[-3990, -3990])
    data = base(u12, "MONOCHROME2", 12)
    table = Dataset()
    table.LUTDescriptor = [4000, 50, 16]
    table.ModalityLUTType = "US"
    table.add_new(0x00283006, "OW", ((np.arange(4000) * 7) % 60000).astype("<u2").tobytes())
    data.ModalityLUTSequence = Sequence([table])
    variant("modality-lut.dcm", data)
    for tag, dtype, keyword in [("float", np.float32, "FloatPixelData"), ("double", np.float64, "DoubleFloatPixelData")]:
        values = RANDOM.normal(size=(6, 8)).astype(dtype)
        data = base(u12[:6, :8], "MONOCHROME2", 12)
        del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
        data.BitsAllocated = values.itemsize * 8
        setattr(data, keyword, values.tobytes())
        variant(f"{tag}-pixels.dcm", data, values)


def colours():
    rgb = colour()
    variant("rgb-interleaved.dcm", base(rgb, "RGB", 8), rgb)
    data = base(rgb, "RGB", 8, planar=1)
    data.PixelData = rgb.transpose(2, 0, 1).tobytes()
    variant("rgb-planar.dcm", data, rgb)
    ybr = convert_color_space(rgb, "RGB", "YBR_FULL")
    variant("ybr-full.dcm", base(ybr, "YBR_FULL", 8), convert_color_space(ybr, "YBR_FULL", "RGB"))
    pairs = np.stack([ybr[:, 0::2, 0], ybr[:, 1::2, 0], ybr[:, 0::2, 1], ybr[:, 0::2, 2]], axis=-1)
    data = base(ybr, "YBR_FULL_422", 8)
    data.PixelData = pairs.tobytes()
    variant("ybr-full-422.dcm", data)
    indices = smooth((9, 11), 0, 255, np.uint8)
    for bits in (8, 16):
        data = base(indices, "PALETTE COLOR", 8)
        for index, colour_name in enumerate(["Red", "Green", "Blue"]):
            setattr(data, f"{colour_name}PaletteColorLookupTableDescriptor", [200, 20, bits])
            entries = (np.arange(200) * (3 + index) + index) % (2**bits)
            setattr(data, f"{colour_name}PaletteColorLookupTableData", entries.astype("<u2" if bits == 16 else np.uint8).tobytes())
        variant(f"palette-{bits}.dcm", data)
    data = base(indices, "PALETTE COLOR", 8)
    for index, colour_name in enumerate(["Red", "Green", "Blue"]):
        setattr(data, f"{colour_name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        segments = [0, 4, 0, 100 * (index + 1), 300, 500, 1, 200, 40000 + index, 0, 2, 7, 9, 1, 50, 65535]
        setattr(data, f"Segmented{colour_name}PaletteColorLookupTableData", np.array(segments, "<u2").tobytes())
    # pydicom rounds halves of a linear segment to even.
    variant("palette-segmented.dcm", data, tolerance=1)


def compressed():
    for kind, pixels, stored in grey_kinds():
        data = base(pixels, "MONOCHROME2", stored)
        data.compress(U.RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        variant(f"rle-{kind}.dcm", data, pixels)
        data = base(pixels, "MONOCHROME2", stored)
        data.compress(U.JPEG2000Lossless, generate_instance_uid=False)
        variant(f"jpeg-2000-lossless-{kind}.dcm", data, pixels)
        data = base(pixels, "MONOCHROME2", stored)
        data.compress(U.JPEG2000, j2k_cr=[6], generate_instance_uid=False)
        variant(f"jpeg-2000-{kind}.dcm", data, tolerance=2)
        if pixels.dtype.kind == "u":
            data = base(pixels, "MONOCHROME2", stored)
            data.compress(U.JPEGLSLossless, generate_instance_uid=False)
            variant(f"jpeg-ls-lossless-{kind}.dcm", data, pixels)
            data = base(pixels, "MONOCHROME2", stored)
            data.compress(U.JPEGLSNearLossless, jls_error=3, generate_instance_uid=False)
            variant(f"jpeg-ls-near-{kind}.dcm", data)
        even = pixels[:36, :44].copy()
        jpeg_lossless(kind, base(even, "MONOCHROME2", stored), even)
        htj2k(kind, base(pixels, "MONOCHROME2", stored), pixels, stored)
    u8 = smooth((37, 45), 0, 255, np.uint8)
    data = encapsulated(base(u8, "MONOCHROME2", 8), U.JPEGBaseline8Bit, [jpeg(u8)])
    variant("jpeg-baseline-u8.dcm", data, tolerance=1)
    rgb = np.stack([smooth((37, 45), 0, 255, np.uint8) for _ in range(3)], axis=-1)
    for sampling, tag in [(0, "444"), (2, "420")]:
        data = base(rgb, "YBR_FULL" if sampling == 0 else "YBR_FULL_422", 8)
        variant(f"jpeg-baseline-{tag}.dcm", encapsulated(data, U.JPEGBaseline8Bit, [jpeg(rgb, sampling)]), tolerance=40 if sampling else 3)
    rgb = colour()
    for tag, syntax in [("rle", U.RLELossless), ("jpeg-2000-lossless", U.JPEG2000Lossless), ("jpeg-ls-lossless", U.JPEGLSLossless)]:
        data = base(rgb, "RGB", 8)
        data.compress(syntax, encoding_plugin="pyjpegls" if "ls" in tag else "pylibjpeg", generate_instance_uid=False)
        if tag == "jpeg-2000-lossless":
            data.PhotometricInterpretation = "YBR_RCT"
        write(f"{tag}-rgb.dcm", data)
        described(f"dicom/{tag}-rgb.dcm", rgb, 1)
    jpeg_lossless("rgb", base(rgb, "RGB", 8), rgb)


def jpeg(pixels, sampling=0):
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).save(out, "JPEG", quality=90, subsampling=sampling)
    return out.getvalue()


def jpeg_lossless(kind, data, pixels):
    plain = write("plain.tmp", data)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    for tag, syntax in [("sv1", gdcm.TransferSyntax.JPEGLosslessProcess14_1), ("14", gdcm.TransferSyntax.JPEGLosslessProcess14)]:
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
        change.SetInput(reader.GetImage())
        if not change.Change():
            print("GDCM does not write", tag, kind)
            continue
        fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
        frames = [fragments.GetFragment(index).GetByteValue().GetBuffer().encode("utf-8", "surrogateescape") for index in range(fragments.GetNumberOfFragments())]
        copy = pydicom.dcmread(plain)
        encapsulated(copy, U.JPEGLosslessSV1 if tag == "sv1" else U.JPEGLossless, frames)
        write(f"jpeg-lossless-{tag}-{kind}.dcm", copy)
        described(f"dicom/jpeg-lossless-{tag}-{kind}.dcm", pixels, 1)
    plain.unlink()


def htj2k(kind, data, pixels, stored):
    variant(f"htj2k-lossless-{kind}.dcm", encapsulated(data, U.HTJ2KLossless, [htj2k_frame(pixels, stored)]), pixels)


def htj2k_colours():
    """With the colour transforms of DICOM's YBR_RCT and YBR_ICT, which the decoder undoes."""
    rgb = colour()
    for tag, syntax, photometric, lossless in [("lossless", U.HTJ2KLossless, "YBR_RCT", True), ("lossy", U.HTJ2K, "YBR_ICT", False)]:
        frame = htj2k_frame(rgb, 8, lossless)
        expected = imagecodecs.htj2k_decode(frame)
        other = openjpeg.decode(frame)
        assert np.abs(expected.astype(int) - other).max() <= (0 if lossless else 1)
        assert np.array_equal(expected, rgb) or not lossless
        data = base(rgb, photometric, 8)
        write(f"htj2k-{tag}-rgb.dcm", encapsulated(data, syntax, [frame]))
        described(f"dicom/htj2k-{tag}-rgb.dcm", expected, 1, 0 if lossless else 1)


def htj2k_frame(pixels, stored, lossless=True):
    samples = 3 if pixels.ndim == 3 else 1
    given = {"width": pixels.shape[1], "height": pixels.shape[0], "bitsPerSample": stored, "componentCount": samples, "isSigned": pixels.dtype.kind == "i", "isUsingColorTransform": samples == 3}
    program = """
        import { createRequire } from 'node:module';
        const require = createRequire(process.cwd() + '/libs/imaging/package.json');
        const given = JSON.parse(process.argv[1]);
        const module = await require('@cornerstonejs/codec-openjph/wasmjs')({ print() {}, printErr() {} });
        const encoder = new module.HTJ2KEncoder();
        encoder.getDecodedBuffer(given.frame).set(Buffer.from(given.pixels, 'base64'));
        encoder.setQuality(given.lossless, given.step);
        encoder.encode();
        process.stdout.write(Buffer.from(encoder.getEncodedBuffer()));
    """
    coded = {"lossless": lossless, "step": 0 if lossless else 0.002}
    argument = json.dumps({"frame": given, "pixels": base64.b64encode(pixels.tobytes()).decode(), **coded})
    return subprocess.run(["node", "--input-type=module", "-e", program, argument], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def frames():
    pixels = np.stack([smooth((11, 13), 0, 4095 - 100 * index, np.uint16) for index in range(3)])
    for kind, fragments in [("basic", 1), ("basic", 3), ("none", 1), ("none", 2), ("extended", 1)]:
        single = [base(frame, "MONOCHROME2", 12) for frame in pixels]
        coded = []
        for data in single:
            data.compress(U.JPEGLSLossless, generate_instance_uid=False)
            coded.append(next(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=1)))
        data = encapsulated(base(pixels, "MONOCHROME2", 12, frames=3), U.JPEGLSLossless, coded, kind, fragments)
        write(f"frames-{kind}-{fragments}.dcm", data)
        described(f"dicom/frames-{kind}-{fragments}.dcm", pixels, 3)
    data = base(pixels, "MONOCHROME2", 12, frames=3)
    shared, measures = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = ["0.7", "0.9"], "2"
    shared.PixelMeasuresSequence = Sequence([measures])
    plane = Dataset()
    plane.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    shared.PlaneOrientationSequence = Sequence([plane])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for index in range(3):
        group, position, transform = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = ["0", "0", str(4 - 2 * index)]
        group.PlanePositionSequence = Sequence([position])
        transform.RescaleSlope, transform.RescaleIntercept = str(index + 1), str(-10 * index)
        group.PixelValueTransformationSequence = Sequence([transform])
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    write("enhanced.dcm", data)
    scaled = np.stack([frame * np.float32(index + 1) - 10 * index for index, frame in enumerate(pixels)])
    described("dicom/enhanced.dcm", scaled, 3)
    # Towards right, anterior, superior: x and y turn, frames run from feet to head.
    golden[-1]["volumeSha256"] = hashlib.sha256(scaled[::-1, ::-1, ::-1].astype("<f8").tobytes()).hexdigest()
    golden[-1]["spacingMm"] = [2, 0.7, 0.9]


def bundled():
    unread = []
    for path in sorted(BUNDLED.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(BUNDLED).as_posix()
        try:
            data = pydicom.dcmread(path, force=True)
            if "Rows" not in data:
                continue
            values = reference(data)
        except Exception as error:
            unread.append(f"{name}: {type(error).__name__}")
            continue
        syntax = data.file_meta.TransferSyntaxUID if "TransferSyntaxUID" in data.file_meta else U.ImplicitVRLittleEndian
        lossy = syntax in (U.JPEGBaseline8Bit, U.JPEGExtended12Bit, U.JPEG2000)
        described(f"pydicom:{name}", values, int(getattr(data, "NumberOfFrames", 1) or 1), 2 if lossy else 0)
    print("pydicom does not decode:", unread)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("*"):
        old.unlink()
    natives()
    layouts()
    colours()
    compressed()
    frames()
    htj2k_colours()
    bundled()
    versions = {name: __import__("importlib.metadata").metadata.version(name) for name in ["numpy", "pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyjpegls", "python-gdcm", "imagecodecs"]}
    text = json.dumps({"generator": "tools/golden/dicom.py", "versions": versions, "dicom": golden}, indent=None)
    (OUT / "dicom.json").write_text(text.replace('{"file"', '\n{"file"') + "\n")
    print(len(golden), "files")


main()
