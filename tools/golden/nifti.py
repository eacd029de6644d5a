"""Writes libs/imaging/golden/nifti: small NIfTI-1 and NIfTI-2 images of every scalar type, byte order and kind of file, and
nifti.json: what nibabel says of them and of the images that it carries for its own tests.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install numpy==2.4.6 nibabel==5.4.2
    /tmp/golden/bin/python tools/golden/nifti.py
"""

import gzip
import hashlib
import json
import pathlib

import nibabel as nib
import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "libs/imaging/golden/nifti"
BUNDLED = pathlib.Path(nib.__file__).parent / "tests/data"
RANDOM = np.random.default_rng(20261125)
TURN = np.array([[0, -0.9, 0, 3], [0, 0, 2.5, 4], [0.8, 0, 0, 5], [0, 0, 0, 1]])
golden = []


def described(file, image, frames=None):
    canonical = nib.as_closest_canonical(image)
    raw = np.asanyarray(canonical.dataobj)
    if raw.dtype.names:
        raw = np.stack([raw[name] for name in "RGB"], axis=-1)[..., None, :] if raw.ndim == 3 else np.stack([raw[name] for name in "RGB"], axis=-1)
        values = raw.reshape(*raw.shape[:3], 1, 3)
    else:
        values = np.asarray(raw, np.float64)
        while values.ndim > 4 and values.shape[-1] == 1:
            values = values[..., 0]
        values = values.reshape(*values.shape, *[1] * (4 - values.ndim))[..., None]
    scaled = getattr(image.dataobj, "slope", 1) != 1 or getattr(image.dataobj, "inter", 0) != 0
    values = values.astype(np.float32) if scaled else values
    values = np.asarray(values, np.float64).transpose(3, 2, 1, 0, 4)
    zooms = [float(edge) for edge in canonical.header.get_zooms()[:3]][::-1]
    zooms += [1.0] * (3 - len(zooms))
    golden.append(
        {
            "file": file,
            "shape": list(values.shape[1:]),
            "spacingMm": zooms,
            **({} if np.isfinite(values).all() else {"refused": "NaN"}),
            "frames": [hashlib.sha256(np.ascontiguousarray(frame).astype("<f8").tobytes()).hexdigest() for frame in values],
        }
    )


def save(name, data, affine=TURN, kind=nib.Nifti1Image, endian="<", slope=None, inter=None):
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(data.dtype)
    image = kind(data, affine, header)
    path = OUT / name
    nib.save(image, path)
    if slope is not None:
        rewrite(path, endian, kind, slope, inter)
    described(f"nifti/{name}", nib.load(path))


def rewrite(path, endian, kind, slope, inter):
    """The scale as it stands in the header, which nibabel writes only as it sees fit."""
    raw = bytearray(path.read_bytes())
    at, form = (112, "f4") if kind is nib.Nifti1Image else (176, "f8")
    raw[at : at + 2 * int(form[1])] = np.array([slope, inter], endian + form).tobytes()
    path.write_bytes(raw)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("*"):
        old.unlink()
    for dtype in "u1 i1 u2 i2 u4 i4 u8 i8 f4 f8".split():
        data = RANDOM.normal(size=(3, 4, 5)) * 50 + (0 if dtype[0] != "u" else 300)
        if dtype == "u1":
            data = data.clip(0, 255)
        if dtype == "i1":
            data = data.clip(-128, 127)
        for endian, kind, version in [("<", nib.Nifti1Image, 1), (">", nib.Nifti1Image, 1), ("<", nib.Nifti2Image, 2), (">", nib.Nifti2Image, 2)]:
            save(f"{dtype}-{'le' if endian == '<' else 'be'}-{version}.nii", data.astype(dtype), kind=kind, endian=endian)
    ints = RANDOM.integers(-900, 900, (3, 4, 5)).astype(np.int16)
    for tag, slope, inter in [("slope-zero", 0, 7), ("slope-nan", np.nan, np.nan), ("slope-half", 0.5, -3), ("inter-only", 1, 10), ("negative", -2, 0)]:
        for kind, version in [(nib.Nifti1Image, 1), (nib.Nifti2Image, 2)]:
            save(f"{tag}-{version}.nii", ints, kind=kind, slope=slope, inter=inter)
    save("gzip.nii.gz", ints)
    rgb = np.zeros((3, 4, 5), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for name in "RGB":
        rgb[name] = RANDOM.integers(0, 256, rgb.shape)
    save("rgb24.nii", rgb)
    rgba = np.zeros((3, 4, 5), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
    for name in "RGB":
        rgba[name] = rgb[name]
    rgba["A"] = 255
    save("rgba32.nii", rgba)
    save("four-dimensions.nii", RANDOM.integers(-900, 900, (3, 4, 5, 3)).astype(np.int16))
    save("four-dimensions-big-endian.nii.gz", RANDOM.normal(size=(4, 3, 2, 2)).astype(np.float32), endian=">", kind=nib.Nifti2Image)
    for kind, version in [(nib.Nifti1Pair, 1), (nib.Nifti2Pair, 2)]:
        for endian in "<>":
            tag = f"pair-{'le' if endian == '<' else 'be'}-{version}"
            header = kind.header_class(endianness=endian)
            nib.save(kind(ints, TURN, header), OUT / f"{tag}.hdr")
            described(f"nifti/{tag}.hdr", nib.load(OUT / f"{tag}.hdr"))
    nib.save(nib.Nifti1Pair(ints, TURN), OUT / "pair-gzip.img.gz")
    for half in ["pair-gzip.img.gz", "pair-gzip.hdr.gz"]:
        gzip.decompress((OUT / half).read_bytes())
    described("nifti/pair-gzip.hdr.gz", nib.load(OUT / "pair-gzip.img.gz"))
    for path in sorted(BUNDLED.rglob("*.nii*")):
        image = nib.load(path)
        if not isinstance(image, nib.Cifti2Image):
            described(f"nibabel:{path.relative_to(BUNDLED).as_posix()}", image)
    text = json.dumps({"generator": "tools/golden/nifti.py", "versions": {"nibabel": nib.__version__, "numpy": np.__version__}, "nifti": golden})
    (OUT / "nifti.json").write_text(text.replace('{"file"', '\n{"file"') + "\n")
    print(len(golden), "files")


main()
