"""Views of one image at a time, as these libraries are used: `views.py '{"library": ..., "spatial": [...], "images": n}'`.

The same operations in the same ranges as VIEW_POLICIES.simclr (libs/augment): crop to the image's own size, rotation in
the plane, both flips, contrast about the mean, brightness, gamma, a smooth bias field, blur at times, noise. Where a
library has no transform of that kind, a few lines of its own arrays stand in. One thread, as the trainer has.
"""

import json
import math
import random
import sys
import warnings

import numpy as np
import torch
from serve import resident, samples, serve

warnings.filterwarnings("ignore")

CROP = (0.6, 1.0)
ASPECT = (0.75, 4 / 3)
DEGREES = 20
CONTRAST = (0.5, 1.6)
BRIGHTNESS = 0.2
GAMMA = (0.6, 1.7)
BIAS = 0.35
BLUR = 0.1
BLUR_SIGMA = (0.3, 1.0)
NOISE = 0.04


def log_uniform(low, high):
    return math.exp(random.uniform(math.log(low), math.log(high)))


class Bias:
    """exp of a quadratic per axis, over [..., *spatial]."""

    def __init__(self, spatial):
        self.places = [torch.linspace(-1, 1, edge) for edge in spatial]

    def __call__(self, x):
        peak = random.uniform(0, BIAS)
        field = 1
        for axis, place in enumerate(self.places):
            along = torch.exp(random.uniform(-peak, peak) * place + random.uniform(-peak, peak) / 2 * place * place)
            field = field * along.reshape([-1] + [1] * (len(self.places) - 1 - axis))
        return x * field


def torchvision_tensors(spatial):
    """Tensors, rotation and crop as two resamplings."""
    from torchvision.transforms import InterpolationMode, v2

    return v2.Compose(
        [
            v2.RandomRotation(DEGREES, interpolation=InterpolationMode.BILINEAR),
            v2.RandomResizedCrop(spatial, scale=CROP, ratio=ASPECT, antialias=False),
            *intensities(v2, spatial),
        ]
    )


def torchvision_affine(spatial):
    """Tensors, rotation and crop as one affine resampling."""
    from torchvision.transforms import InterpolationMode, v2

    least = math.sqrt(CROP[0])
    return v2.Compose(
        [
            v2.RandomAffine(
                DEGREES,
                translate=((1 - least) / 2, (1 - least) / 2),
                scale=(1, 1 / least),
                interpolation=InterpolationMode.BILINEAR,
            ),
            *intensities(v2, spatial),
        ]
    )


def torchvision_pil(spatial):
    """PIL images until the intensities are done, then tensors for what PIL lacks."""
    from torchvision.transforms import InterpolationMode, v2

    to_float = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose(
        [
            v2.RandomRotation(DEGREES, interpolation=InterpolationMode.BILINEAR),
            v2.RandomResizedCrop(spatial, scale=CROP, ratio=ASPECT),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.ColorJitter(brightness=BRIGHTNESS, contrast=CONTRAST),
            lambda image: v2.functional.adjust_gamma(image, log_uniform(*GAMMA)),
            *to_float,
            Bias(spatial),
            *softened(v2),
        ]
    )


def intensities(v2, spatial):
    return [
        v2.RandomHorizontalFlip(),
        v2.RandomVerticalFlip(),
        v2.ToDtype(torch.float32, scale=True),
        Bias(spatial),
        v2.ColorJitter(brightness=BRIGHTNESS, contrast=CONTRAST),
        lambda x: v2.functional.adjust_gamma(x, log_uniform(*GAMMA)),
        *softened(v2),
    ]


def softened(v2):
    return [
        v2.RandomApply([v2.GaussianBlur(5, sigma=BLUR_SIGMA)], p=BLUR),
        lambda x: v2.functional.gaussian_noise(x, sigma=random.uniform(0, NOISE)),
    ]


def monai(spatial):
    from monai import transforms
    from monai.data import set_track_meta

    set_track_meta(False)
    least = CROP[0] ** (1 / 3)
    return transforms.Compose(
        [
            transforms.RandAffine(
                prob=1,
                rotate_range=(math.radians(DEGREES), 0, 0),
                scale_range=[(least - 1, 0)] * 3,
                translate_range=[(1 - least) / 2 * edge for edge in spatial],
                spatial_size=spatial,
                cache_grid=True,
                mode="bilinear",
                padding_mode="border",
            ),
            transforms.RandFlip(prob=0.5, spatial_axis=1),
            transforms.RandFlip(prob=0.5, spatial_axis=2),
            transforms.RandBiasField(prob=1, degree=2, coeff_range=(0, BIAS)),
            transforms.RandScaleIntensityFixedMean(prob=1, factors=(CONTRAST[0] - 1, CONTRAST[1] - 1)),
            transforms.RandShiftIntensity(prob=1, offsets=BRIGHTNESS),
            transforms.RandAdjustContrast(prob=1, gamma=GAMMA),
            transforms.RandGaussianSmooth(prob=BLUR, sigma_x=BLUR_SIGMA, sigma_y=BLUR_SIGMA, sigma_z=BLUR_SIGMA),
            transforms.RandGaussianNoise(prob=1, std=NOISE, sample_std=True),
        ]
    )


def torchio(spatial):
    import torchio as tio

    least = CROP[0] ** (1 / 3)
    shift = [(1 - least) / 2 * edge for edge in spatial]

    def contrast(x):
        mean = x.mean()
        return (x - mean) * random.uniform(*CONTRAST) + mean + random.uniform(-BRIGHTNESS, BRIGHTNESS)

    return tio.Compose(
        [
            tio.RandomAffine(
                scales=(1, 1 / least) * 3,
                degrees=(-DEGREES, DEGREES, 0, 0, 0, 0),
                translation=tuple(bound for edge in shift for bound in (-edge, edge)),
                image_interpolation="linear",
            ),
            tio.RandomFlip(axes=(1, 2), flip_probability=0.5),
            tio.RandomBiasField(coefficients=BIAS, order=2),
            tio.Lambda(contrast),
            tio.RandomGamma(log_gamma=(math.log(GAMMA[0]), math.log(GAMMA[1]))),
            tio.RandomBlur(std=BLUR_SIGMA, p=BLUR),
            tio.RandomNoise(std=(0, NOISE)),
        ]
    )


LIBRARIES = {
    "torchvision tensors": torchvision_tensors,
    "torchvision affine": torchvision_affine,
    "torchvision PIL": torchvision_pil,
    "MONAI": monai,
    "torchio": torchio,
}


def main():
    case = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    spatial, library = tuple(case["spatial"]), case["library"]
    pixels = np.random.default_rng(3).integers(0, 256, (case["images"], 1, *spatial), dtype=np.uint8)
    transform = LIBRARIES[library](spatial)
    if library == "torchvision PIL":
        from PIL import Image

        images = [Image.fromarray(image[0]) for image in pixels]
    elif len(spatial) == 3:  # these two begin with floats in [0, 1]
        images = [torch.from_numpy(image) for image in pixels]
        view = transform
        transform = lambda image: view(image.float() / 255)  # noqa: E731
    else:
        images = [torch.from_numpy(image) for image in pixels]

    def views():
        for image in images:
            transform(image)

    made = transform(images[0])
    if tuple(made.shape) != (1, *spatial) or made.dtype != torch.float32:
        raise ValueError(f"{library}: a view is {made.dtype} {tuple(made.shape)}")
    samples(views, 0.3)
    serve(views, {"images": case["images"]}, {"memory": resident})


main()
