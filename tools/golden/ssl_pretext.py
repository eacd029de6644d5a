"""Writes libs/ssl/golden/ssl-pretext.json: jigsaw permutations and masked autoencoding, for the specs of libs/ssl.

The algorithms are those of bbrattoli/JigsawPuzzlePytorch (select_permutations.py, selection "max") and of
facebookresearch/mae (models_mae.py: patchify, forward_loss), run in NumPy and PyTorch.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.15.0 numpy==2.4.6
    /tmp/golden/bin/python tools/golden/ssl_pretext.py
"""

import importlib.metadata
import itertools
import json
import pathlib

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240612)
OUT = pathlib.Path(__file__).parents[2] / "libs/ssl/golden/ssl-pretext.json"


def numbers(tensor):
    return [float(f"{value:.12g}") for value in tensor.detach().flatten().tolist()]


def permutation_set(tiles, count):
    """Greedy choice over all permutations by the largest mean Hamming distance; the first one is random."""
    rng = np.random.default_rng(7)
    candidates = np.array(list(itertools.permutations(range(tiles))), dtype=np.int8)
    chosen = np.empty((0, tiles), dtype=np.int8)
    total = np.zeros(len(candidates))
    at = rng.integers(len(candidates))
    for _ in range(count):
        chosen = np.concatenate([chosen, candidates[at : at + 1]])
        total += (candidates != candidates[at]).mean(axis=1)
        candidates, total = np.delete(candidates, at, axis=0), np.delete(total, at)
        at = total.argmax() if len(candidates) else 0
    distances = [(one != other).mean() for one, other in itertools.combinations(chosen, 2)]
    return {"tiles": tiles, "count": count, "mean": float(np.mean(distances)), "least": float(np.min(distances))}


def patchify(images, patch):
    """[N, C, H, W] -> [N, L, patch ** 2 * C]."""
    n, c, height, width = images.shape
    h, w = height // patch, width // patch
    x = images.reshape(n, c, h, patch, w, patch)
    return torch.einsum("nchpwq->nhwpqc", x).reshape(n, h * w, patch**2 * c)


def patchify_volumes(volumes, patch):
    """The same with one axis more: [N, C, Z, H, W] -> [N, L, patch ** 3 * C]."""
    n, c, *edges = volumes.shape
    d, h, w = (edge // patch for edge in edges)
    x = volumes.reshape(n, c, d, patch, h, patch, w, patch)
    return torch.einsum("ncdohpwq->ndhwopqc", x).reshape(n, d * h * w, patch**3 * c)


def forward_loss(target, prediction, mask, norm_pix):
    if norm_pix:
        mean = target.mean(dim=-1, keepdim=True)
        var = target.var(dim=-1, keepdim=True)
        target = (target - mean) / (var + 1.0e-6) ** 0.5
    loss = ((prediction - target) ** 2).mean(dim=-1)
    return (loss * mask).sum() / mask.sum()


def masked_autoencoding():
    cases = []
    for shape, patch, masked, norm_pix in [
        ((2, 1, 8, 12), 4, 4, True),
        ((2, 1, 8, 12), 4, 4, False),
        ((3, 3, 8, 8), 2, 12, True),
        ((2, 1, 4, 6, 4), 2, 9, True),
        ((1, 2, 4, 4, 4), 2, 6, False),
    ]:
        images = torch.randn(shape)
        images[0, :, :patch, :patch] = 0.3  # a constant patch
        target = (patchify_volumes if len(shape) == 5 else patchify)(images, patch)
        mask = torch.zeros(target.shape[:2])
        for row in mask:
            row[torch.randperm(len(row))[:masked]] = 1
        mask[0] = 0
        mask[0, :masked] = 1  # the constant patch among them
        prediction = torch.randn_like(target).requires_grad_()
        loss = forward_loss(target, prediction, mask, norm_pix)
        loss.backward()
        cases.append(
            {
                # channels last, as the specs take it
                "shape": [shape[0], *shape[2:], shape[1]],
                "patch": patch,
                "normPix": norm_pix,
                "pixels": numbers(torch.movedim(images, 1, -1)),
                "patches": numbers(target),
                "tokens": target.shape[1],
                "mask": numbers(mask),
                "prediction": numbers(prediction),
                "loss": loss.item(),
                "gradient": numbers(prediction.grad),
            }
        )
    return cases


OUT.write_text(
    json.dumps(
        {
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "numpy")},
            "permutationSet": [permutation_set(*each) for each in [(4, 8), (4, 20), (8, 30), (9, 30), (9, 100)]],
            "maskedAutoencoding": masked_autoencoding(),
        }
    )
    + "\n"
)
