"""Fusions of several images with what these libraries have: `fusion.py '{"library": ..., "spatial": [...], "sources": n}'`.

No library fuses patients. This is how one would with theirs, two or more at a time: the others' grey values brought to the
first's by quantiles, a smooth random field per image, the highest field's image at each voxel with a soft border, blended,
16 bits again. MONAI gives the fields (SmoothField), torchio the histograms (HistogramStandardization); numpy and torch do
the rest. One thread. `nibabel reads` is the time to read the same images from disk, as they come.
"""

import atexit
import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from serve import resident, samples, serve

warnings.filterwarnings("ignore")

CELLS = 4
SHARPNESS = 12
PERCENTILES = np.linspace(0, 100, 33)
MOST_SAMPLES = 65_536


def fields_of_monai(spatial, sources):
    from monai.transforms.smooth_field.array import SmoothField

    field = SmoothField(rand_size=(CELLS + 1,) * len(spatial), low=-1.7, high=1.7, channels=sources, spatial_size=spatial)

    def draw():
        field.randomize()
        return torch.as_tensor(field())

    return draw


def fields_of_torch(spatial, sources):
    mode = "trilinear" if len(spatial) == 3 else "bilinear"

    def draw():
        lattice = torch.randn(1, sources, *[CELLS + 1] * len(spatial))
        return torch.nn.functional.interpolate(lattice, size=spatial, mode=mode, align_corners=True)[0]

    return draw


def quantiles(values):
    return np.percentile(values.reshape(-1)[:: max(1, values.size // MOST_SAMPLES)], PERCENTILES)


def match_numpy(values, target):
    return np.interp(values, quantiles(values), quantiles(target)).astype(np.float32)


def match_torchio(values, target):
    import torchio as tio

    # torchio's landmarks: 13 quantiles of a standard scale, here the target's.
    points = [1, *range(10, 100, 10), 25, 75, 99]
    landmarks = np.percentile(target.reshape(-1)[:: max(1, target.size // MOST_SAMPLES)], sorted(points))
    image = tio.ScalarImage(tensor=torch.from_numpy(values)[None])
    return tio.HistogramStandardization({"image": landmarks})(tio.Subject(image=image)).image.numpy()[0]


def fuse_with(images, draw, match):
    target = images[0].astype(np.float32) / 65535
    others = [match(image.astype(np.float32) / 65535, target) for image in images[1:]]
    fields = draw()
    weights = torch.relu(1 - (fields.amax(0, keepdim=True) - fields) * (SHARPNESS / 2))
    weights /= weights.sum(0, keepdim=True)
    stack = torch.from_numpy(np.stack([target, *others]))
    fused = (weights * stack).sum(0)
    return (fused.clamp(0, 1) * 65535 + 0.5).numpy().astype(np.uint16)


def reader(images, ending):
    import nibabel

    folder = tempfile.mkdtemp(prefix="bench-fusion-")
    atexit.register(shutil.rmtree, folder)
    paths = []
    for number, image in enumerate(images):
        path = Path(folder) / f"{number}.{ending}"
        nibabel.Nifti1Image(image.astype(np.int16), np.eye(4)).to_filename(path)
        paths.append(path)
    return lambda: [np.asanyarray(nibabel.load(path).dataobj) for path in paths]


def scans(rng, spatial, count):
    """Magnitude images in 12 bits as MRI gives them: a smooth body, Rician noise in it and around it."""
    axes = np.meshgrid(*[np.linspace(-1, 1, edge) for edge in spatial], indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    body = np.where(radius < 0.9, 1500 + 600 * np.cos(5 * radius), 0)

    def scan():
        real, imaginary = (rng.normal(0, 20, spatial) for _ in range(2))
        return np.clip(np.hypot(body + real, imaginary), 0, 4095).astype(np.uint16)

    return [scan() for _ in range(count)]


def main():
    case = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    spatial, sources, library = tuple(case["spatial"]), case["sources"], case["library"]
    rng = np.random.default_rng(3)
    if library.startswith("nibabel"):
        work = reader(scans(rng, spatial, sources), library.split(".", 1)[1])
    else:
        images = [rng.integers(0, 65536, spatial, dtype=np.uint16) for _ in range(sources)]
        fields = fields_of_monai if library == "MONAI" else fields_of_torch
        match = match_torchio if library == "torchio" else match_numpy
        draw = fields(spatial, sources)
        work = lambda: fuse_with(images, draw, match)  # noqa: E731
        if work().shape != spatial:
            raise ValueError(f"{library}: a fusion of another shape")
    samples(work, 0.3)
    serve(work, {"sources": sources}, {"memory": resident})


main()
