"""Writes libs/medformer/golden/resample.json: images at other sizes by PyTorch's anti-aliased linear interpolation.

PyTorch has it for two axes; a volume is what it makes of its planes and then of the remaining axis.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.15.0
    /tmp/golden/bin/python tools/golden/resample.py
"""

import json
import pathlib

import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).parents[2] / "libs/medformer/golden/resample.json"
torch.manual_seed(20240614)


def resampled(image, shape):
    """[rows, columns] or [slices, rows, columns] at other edges."""
    if image.ndim == 3:
        planes = torch.stack([resampled(plane, shape[1:]) for plane in image])
        flat = planes.reshape(planes.shape[0], -1)
        return resampled(flat, [shape[0], flat.shape[1]]).reshape(shape)
    return F.interpolate(image[None, None], size=shape, mode="bilinear", align_corners=False, antialias=True)[0, 0]


def case(before, after):
    image = torch.rand(before, dtype=torch.float64)
    values = lambda x: [round(value, 9) for value in x.flatten().tolist()]  # noqa: E731
    image = torch.tensor(values(image), dtype=torch.float64).reshape(before)
    return {"from": before, "to": after, "image": values(image), "resampled": values(resampled(image, after))}


cases = [case([5, 7], [9, 11]), case([12, 9], [5, 4]), case([6, 13], [8, 3]), case([7, 4, 3], [4, 4, 5])]
OUT.write_text(json.dumps({"torch": torch.__version__.split("+")[0], "cases": cases}))
