"""Writes libs/ssl/golden/ssl-conventions.json: the same inputs through the formulas of peers that differ.

NT-Xent: lightly takes the mean over all views, google-research/simclr (objective.py) adds the means of both halves; its
formula is repeated here, since it runs on TensorFlow 1. Barlow Twins: lightly normalises features by the batch's own
deviation (divisor N), MONAI by the sample's (divisor N - 1).

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.15.0 lightly==1.6.0 && /tmp/golden/bin/pip install --no-deps monai==1.6.1
    /tmp/golden/bin/python tools/golden/ssl-conventions.py
"""

import importlib.metadata
import json
import pathlib

import torch
from lightly.loss import BarlowTwinsLoss as LightlyBarlow
from lightly.loss import NTXentLoss
from monai.losses import BarlowTwinsLoss as MonaiBarlow
from monai.losses import ContrastiveLoss

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240613)
OUT = pathlib.Path(__file__).parents[2] / "libs/ssl/golden/ssl-conventions.json"


def numbers(tensor):
    return [float(f"{value:.12g}") for value in tensor.detach().flatten().tolist()]


def through(losses, view0, view1, **settings):
    """The value of every loss and its gradient by [view 0; view 1]."""
    results = {}
    for name, loss_of in losses.items():
        z = torch.cat([view0, view1]).detach().requires_grad_()
        loss = loss_of(z[: len(view0)], z[len(view0) :])
        loss.backward()
        results[name] = {"loss": loss.item(), "gradient": numbers(z.grad)}
    return {
        "images": len(view0),
        "width": view0.shape[1],
        **settings,
        "z": numbers(torch.cat([view0, view1])),
        "peers": results,
    }


def google_nt_xent(hidden1, hidden2, temperature):
    hidden1, hidden2 = (torch.nn.functional.normalize(hidden, dim=-1) for hidden in (hidden1, hidden2))
    labels = torch.arange(len(hidden1))
    masked = 1e9 * torch.eye(len(hidden1))
    halves = [
        torch.cat([one @ other.T / temperature, one @ one.T / temperature - masked], 1)
        for one, other in ((hidden1, hidden2), (hidden2, hidden1))
    ]
    return sum(torch.nn.functional.cross_entropy(logits, labels) for logits in halves)


def nt_xent():
    cases = []
    for images, width, temperature in [(3, 4, 0.5), (5, 6, 0.2), (8, 3, 0.1)]:
        view0 = torch.randn(images, width)
        losses = {
            "lightly": NTXentLoss(temperature=temperature),
            # MONAI's mask of negatives is float32: its value is right to that precision only.
            "monai": ContrastiveLoss(temperature=temperature),
            "google": lambda a, b, t=temperature: google_nt_xent(a, b, t),
        }
        cases.append(through(losses, view0, view0 + 0.5 * torch.randn(images, width), temperature=temperature))
    return cases


def barlow_twins():
    cases = []
    inputs = [
        ("unlike views", torch.randn(6, 4), torch.randn(6, 4)),
        ("like views", *(2 * [torch.randn(8, 3)])),
        (
            "two images that share half of each view",
            torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]),
            torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]),
        ),
    ]
    for lam in (0.005, 0.2):
        losses = {"lightly": LightlyBarlow(lambda_param=lam), "monai": MonaiBarlow(lambd=lam)}
        cases += [through(losses, a, b, name=name, **{"lambda": lam}) for name, a, b in inputs]
    return cases


OUT.write_text(
    json.dumps(
        {
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "lightly", "monai")},
            "ntXent": nt_xent(),
            "barlowTwins": barlow_twins(),
        }
    )
    + "\n"
)
