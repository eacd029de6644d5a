"""Writes libs/ssl/golden/ssl-consistency.json and libs/ssl/golden/ssl-image-gpt.json: what PyTorch says of the consistency
costs of Mean Teacher (softmax_mse_loss and softmax_kl_loss of CuriousAI/mean-teacher over the batch, written with today's
functions), of the next-token cross entropy of a GPT and of the nearest code of a codebook.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.15.0
    /tmp/golden/bin/python tools/golden/ssl-consistency.py
"""

import json
import pathlib

import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240614)
OUT = pathlib.Path(__file__).parents[2] / "libs/ssl/golden"


def numbers(tensor):
    return [float(f"{value:.12g}") for value in tensor.detach().flatten().tolist()]


def consistency():
    cases = []
    for images, classes, sharpness in [(4, 3, 1.0), (6, 11, 4.0), (2, 2, 0.1)]:
        target = torch.softmax(sharpness * torch.randn(images, classes), 1)
        start = 2 * torch.randn(images, classes)
        costs = {
            "mse": lambda x: F.mse_loss(torch.softmax(x, 1), target),
            "kl": lambda x: F.kl_div(torch.log_softmax(x, 1), target, reduction="batchmean"),
        }
        for distance, cost in costs.items():
            logits = start.clone().requires_grad_()
            loss = cost(logits)
            loss.backward()
            cases.append(
                {
                    "images": images,
                    "classes": classes,
                    "distance": distance,
                    "logits": numbers(logits),
                    "target": numbers(target),
                    "loss": loss.item(),
                    "gradient": numbers(logits.grad),
                }
            )
    return cases


def embedding_consistency():
    cases = []
    for images, width in [(3, 4), (5, 2)]:
        h = torch.randn(images, width).requires_grad_()
        target = torch.randn(images, width)
        loss = (1 - F.cosine_similarity(h, target)).mean()
        loss.backward()
        cases.append(
            {
                "images": images,
                "width": width,
                "h": numbers(h),
                "target": numbers(target),
                "loss": loss.item(),
                "gradient": numbers(h.grad),
            }
        )
    return cases


def next_token():
    cases = []
    for images, tokens, codes in [(2, 5, 4), (3, 9, 16)]:
        logits = (2 * torch.randn(images, tokens, codes)).requires_grad_()
        ids = torch.randint(codes, (images, tokens))
        loss = F.cross_entropy(logits.view(-1, codes), ids.view(-1))
        loss.backward()
        cases.append(
            {
                "images": images,
                "tokens": tokens,
                "codes": codes,
                "logits": numbers(logits),
                "ids": ids.flatten().tolist(),
                "loss": loss.item(),
                "accuracy": (logits.argmax(-1) == ids).double().mean().item(),
                "gradient": numbers(logits.grad),
            }
        )
    return cases


def nearest_code():
    cases = []
    for patches, width, codes in [(12, 16, 8), (20, 1, 5), (10, 64, 32)]:
        patch, code = torch.rand(patches, width) * 2 - 1, torch.rand(codes, width) * 2 - 1
        cases.append(
            {
                "patches": patches,
                "width": width,
                "codes": codes,
                "patch": numbers(patch),
                "code": numbers(code),
                "ids": torch.cdist(patch, code).argmin(1).tolist(),
            }
        )
    return cases


def write(name, **cases):
    (OUT / name).write_text(json.dumps({"versions": {"torch": torch.__version__}, **cases}) + "\n")


write("ssl-consistency.json", consistency=consistency(), embeddingConsistency=embedding_consistency())
write("ssl-image-gpt.json", nextToken=next_token(), nearestCode=nearest_code())
