"""Writes libs/ssl/golden/ssl.json: what PyTorch and lightly say, for the specs of libs/ssl.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.15.0 lightly==1.6.0
    /tmp/golden/bin/python tools/golden/ssl.py
"""

import importlib.metadata
import json
import pathlib

import torch
from lightly.loss import BarlowTwinsLoss, NTXentLoss

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240611)
OUT = pathlib.Path(__file__).parents[2] / "libs/ssl/golden/ssl.json"


def numbers(tensor):
    return [float(f"{value:.12g}") for value in tensor.detach().flatten().tolist()]


def two_view_case(loss_of, images, width, likeness, **settings):
    """The loss of z = [view 0; view 1] and its gradient by z."""
    common = torch.randn(images, width)
    z = torch.cat([common + (1 - likeness) * torch.randn(images, width) for _ in range(2)]).requires_grad_()
    loss = loss_of(z[:images], z[images:])
    loss.backward()
    return {
        "images": images,
        "width": width,
        "likeness": likeness,
        **settings,
        "z": numbers(z),
        "loss": loss.item(),
        "gradient": numbers(z.grad),
    }


def nt_xent():
    return [
        two_view_case(NTXentLoss(temperature=temperature), images, width, likeness, temperature=temperature)
        for images, width, likeness, temperature in [
            (2, 3, 0.0, 0.5),
            (4, 8, 0.8, 0.1),
            (8, 5, 0.5, 0.2),
            (6, 16, 1.0, 1.0),
        ]
    ]


def barlow_twins():
    return [
        two_view_case(BarlowTwinsLoss(lambda_param=lam), images, width, likeness, **{"lambda": lam})
        for images, width, likeness, lam in [
            (4, 3, 0.0, 0.005),
            (8, 6, 0.7, 0.0051),
            (16, 4, 1.0, 0.1),
        ]
    ]


def cross_entropy():
    cases = []
    for images, classes, smoothing in [(4, 3, 0.0), (6, 5, 0.1), (3, 2, 0.4)]:
        logits = (3 * torch.randn(images, classes)).requires_grad_()
        labels = torch.randint(classes, (images,))
        loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        loss.backward()
        cases.append(
            {
                "images": images,
                "classes": classes,
                "smoothing": smoothing,
                "logits": numbers(logits),
                "labels": labels.tolist(),
                "loss": loss.item(),
                "gradient": numbers(logits.grad),
            }
        )
    return cases


def optimise():
    """AdamW over two groups, one of them without decay, gradients clipped together, the rate warmed up and annealed."""
    settings = {
        "learningRate": 0.02,
        "finalLearningRate": 0.001,
        "warmupSteps": 4,
        "beta1": 0.9,
        "beta2": 0.95,
        "weightDecay": 0.05,
        "clipNorm": 1.0,
    }
    steps, warmup = 12, settings["warmupSteps"]
    decayed = torch.randn(5).requires_grad_()
    bare = torch.randn(3).requires_grad_()
    start = numbers(torch.cat([decayed, bare]))
    optimiser = torch.optim.AdamW(
        [{"params": [decayed]}, {"params": [bare], "weight_decay": 0.0}],
        lr=settings["learningRate"],
        betas=(settings["beta1"], settings["beta2"]),
        weight_decay=settings["weightDecay"],
        eps=1e-8,
    )
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimiser,
        [
            torch.optim.lr_scheduler.LinearLR(optimiser, start_factor=1 / warmup, total_iters=warmup - 1),
            torch.optim.lr_scheduler.CosineAnnealingLR(
                optimiser, T_max=steps - warmup, eta_min=settings["finalLearningRate"]
            ),
        ],
        milestones=[warmup - 1],
    )
    trace = []
    for step in range(1, steps + 1):
        decayed.grad, bare.grad = (torch.randn(5) * step / 6, torch.randn(3) * step / 6)
        gradient = numbers(torch.cat([decayed.grad, bare.grad]))
        norm = torch.nn.utils.clip_grad_norm_([decayed, bare], settings["clipNorm"])
        rate = optimiser.param_groups[0]["lr"]
        optimiser.step()
        schedule.step()
        trace.append(
            {
                "gradient": gradient,
                "norm": norm.item(),
                "clipped": numbers(torch.cat([decayed.grad, bare.grad])),
                "learningRate": rate,
                "parameters": numbers(torch.cat([decayed, bare])),
            }
        )
    return {"settings": settings, "decayed": [1] * 5 + [0] * 3, "start": start, "steps": trace}


OUT.parent.mkdir(exist_ok=True)
OUT.write_text(
    json.dumps(
        {
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "lightly")},
            "ntXent": nt_xent(),
            "barlowTwins": barlow_twins(),
            "crossEntropy": cross_entropy(),
            "adamw": optimise(),
        }
    )
    + "\n"
)
