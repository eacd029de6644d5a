"""Writes libs/ssl/golden/ssl-tasks.json: what PyTorch says of the losses of task heads: sigmoid cross entropy of multi-label
tasks with labels that are not known left out, the cumulative logit model of ordered classes, and a loss weighed by its
noise (Kendall et al. 2018, equation 10).

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.15.0
    /tmp/golden/bin/python tools/golden/ssl-tasks.py
"""

import json
import pathlib

import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240622)
OUT = pathlib.Path(__file__).parents[2] / "libs/ssl/golden"


def numbers(tensor):
    return [float(f"{value:.12g}") for value in tensor.detach().flatten().tolist()]


def multi_label():
    cases = []
    for images, labels, unknown, smoothing, sharpness in [
        (4, 3, 0.0, 0.0, 1.0),
        (6, 14, 0.3, 0.0, 3.0),
        (5, 2, 0.5, 0.1, 20.0),
        (3, 4, 1.0, 0.0, 1.0),
    ]:
        flags = torch.randint(0, 2, (images, labels)).double()
        flags[torch.rand(images, labels) < unknown] = -1
        known = flags >= 0
        logits = (sharpness * torch.randn(images, labels)).requires_grad_()
        targets = flags * (1 - smoothing) + smoothing / 2
        loss = (
            F.binary_cross_entropy_with_logits(logits[known], targets[known])
            if known.any()
            else (0 * logits).sum()
        )
        loss.backward()
        right = ((logits > 0) == (flags > 0.5))[known]
        cases.append(
            {
                "images": images,
                "labels": labels,
                "smoothing": smoothing,
                "logits": numbers(logits),
                "flags": numbers(flags),
                "loss": loss.item(),
                "accuracy": right.double().mean().item() if known.any() else 0,
                "gradient": numbers(logits.grad),
            }
        )
    return cases


def ordinal():
    cases = []
    for images, classes, spread in [(5, 3, 1.0), (4, 5, 3.0), (3, 2, 0.5)]:
        scores = (spread * torch.randn(images, 1)).requires_grad_()
        thresholds = torch.sort(torch.randn(classes - 1)).values.requires_grad_()
        truth = torch.randint(0, classes, (images,))
        below = torch.sigmoid(thresholds[None] - scores)
        edges = torch.cat([torch.zeros(images, 1), below, torch.ones(images, 1)], 1)
        probabilities = edges[:, 1:] - edges[:, :-1]
        loss = F.nll_loss(torch.log(probabilities), truth)
        loss.backward()
        cases.append(
            {
                "images": images,
                "classes": classes,
                "scores": numbers(scores),
                "thresholds": numbers(thresholds),
                "truth": truth.tolist(),
                "probabilities": numbers(probabilities),
                "loss": loss.item(),
                "scoreGradient": numbers(scores.grad),
                "thresholdGradient": numbers(thresholds.grad),
            }
        )
    return cases


def uncertainty():
    cases = []
    for start, spread in [(1.3, 0.0), (0.2, -1.5), (4.0, 2.2)]:
        loss = torch.tensor(start, requires_grad=True)
        s = torch.tensor(spread, requires_grad=True)
        weighed = torch.exp(-s) * loss + torch.log(torch.exp(s / 2))
        weighed.backward()
        cases.append(
            {
                "loss": start,
                "logVariance": spread,
                "weighed": weighed.item(),
                "lossGradient": loss.grad.item(),
                "logVarianceGradient": s.grad.item(),
            }
        )
    return cases


if __name__ == "__main__":
    values = {"multiLabel": multi_label(), "ordinal": ordinal(), "uncertainty": uncertainty()}
    (OUT / "ssl-tasks.json").write_text(json.dumps(values, indent=1) + "\n")
