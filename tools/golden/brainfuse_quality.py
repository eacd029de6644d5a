"""Writes libs/brainfuse/golden/quality.json: Frechet and Wasserstein distances as scipy has them, for the specs of
libs/brainfuse.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install numpy scipy==1.17.1
    /tmp/golden/bin/python tools/golden/brainfuse_quality.py
"""

import json
import pathlib

import numpy as np
import scipy
import scipy.linalg
import scipy.stats

OUT = pathlib.Path(__file__).parents[2] / "libs/brainfuse/golden/quality.json"
rng = np.random.default_rng(20261124)


def numbers(values):
    return [float(f"{value:.9g}") for value in np.ravel(values)]


def frechet(a, b):
    """pytorch-fid's formula with scipy's general matrix root."""
    mean_a, mean_b = a.mean(0), b.mean(0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root.real))


def embeddings(rows, width, spread, shift):
    mix = rng.normal(size=(width, width)) * spread
    return np.round(rng.normal(size=(rows, width)) @ mix + shift, 6)


cases = []
for rows_a, rows_b, width, spread, shift in [(40, 55, 4, 1.0, 0.5), (200, 150, 12, 0.3, 0.0), (30, 30, 2, 5.0, 1.0)]:
    a, b = embeddings(rows_a, width, spread, 0.0), embeddings(rows_b, width, spread, shift)
    cases.append({"a": a.tolist(), "b": b.tolist(), "distance": frechet(a, b)})

greys = []
for size_a, size_b in [(7, 7), (10, 25), (1, 30)]:
    # With ties, as grey values have.
    a, b = np.round(rng.uniform(size=size_a), 1), np.round(rng.uniform(size=size_b) ** 2, 1)
    greys.append({"a": numbers(a), "b": numbers(b), "distance": float(scipy.stats.wasserstein_distance(a, b))})

OUT.parent.mkdir(exist_ok=True)
OUT.write_text(json.dumps({"scipy": scipy.__version__, "frechet": cases, "wasserstein": greys}) + "\n")
