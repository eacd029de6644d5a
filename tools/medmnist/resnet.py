"""A ResNet-18 with MedMNIST's stem on one set for a given time, and its scores as a MedMNIST result file.

    .cache/bench-venv/bin/python tools/medmnist/resnet.py ROOT/octmnist.npz --seconds 60 --seed 0 -o FOLDER

The recipe is that of MedMNIST's experiments: 3x3 convolution of stride 1 in place of ResNet's 7x7 and no pooling after it,
three-dimensional convolutions for volumes; pixels at mean 0.5 and deviation 0.5, no augmentation; Adam at 1e-3, a tenth of
it after half and after three quarters of the time; the model picked by AUC on the validation split.

Seconds are of processor time of this process, so that a busy machine changes nothing; only training steps count, neither
starting nor validating.
"""

import argparse
import copy
import json
import os
import pathlib
import time

# A thread that waits for the other must not spend processor time; read when torch is loaded.
os.environ.update(OMP_WAIT_POLICY="passive", GOMP_SPINCOUNT="0")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

THREADS = 2
PICKS = 10


class Block(nn.Module):
    """Two convolutions and a way past them (He et al. 2016), for images or volumes."""

    def __init__(self, axes, before, width, stride):
        super().__init__()
        conv, norm = ((nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))[axes - 2]
        self.first = nn.Sequential(conv(before, width, 3, stride, 1, bias=False), norm(width))
        self.second = nn.Sequential(conv(width, width, 3, 1, 1, bias=False), norm(width))
        same = stride == 1 and before == width
        self.past = nn.Identity() if same else nn.Sequential(conv(before, width, 1, stride, bias=False), norm(width))

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.past(x))


def resnet18(axes, channels, classes, width):
    conv, norm, pool = (
        (nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d),
        (nn.Conv3d, nn.BatchNorm3d, nn.AdaptiveAvgPool3d),
    )[axes - 2]
    layers = [conv(channels, width, 3, 1, 1, bias=False), norm(width), nn.ReLU()]
    before = width
    for stage in range(4):
        for block in range(2):
            after = width * 2**stage
            layers.append(Block(axes, before, after, 2 if stage > 0 and block == 0 else 1))
            before = after
    return nn.Sequential(*layers, pool(1), nn.Flatten(), nn.Linear(before, classes))


def load(file, volumes):
    """Per split pixels as float32 [images, channels, ...spatial] and labels [images, labels]."""
    archive = np.load(file)
    splits = {}
    for split in ("train", "val", "test"):
        images = torch.from_numpy(archive[f"{split}_images"])
        colour = not volumes and images.ndim == 4
        images = images.movedim(-1, 1) if colour else images[:, None]
        splits[split] = ((images.float() / 255 - 0.5) / 0.5, torch.from_numpy(archive[f"{split}_labels"]).long())
    return splits


def auc(truth, scores):
    """Area under the ROC curve of one column, ties half; None where one side is empty."""
    positive, negative = scores[truth], scores[~truth]
    if len(positive) == 0 or len(negative) == 0:
        return None
    above = (positive[:, None] > negative[None]).double() + 0.5 * (positive[:, None] == negative[None]).double()
    return above.mean().item()


def mean_auc(labels, scores):
    several = labels.shape[1] > 1
    columns = range(scores.shape[1]) if several or scores.shape[1] > 2 else [1]
    areas = [auc(labels[:, at] == 1 if several else labels[:, 0] == at, scores[:, at]) for at in columns]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known)


@torch.no_grad()
def scores_of(model, images, several):
    model.eval()
    logits = torch.cat([model(part) for part in images.split(64)])
    model.train()
    return torch.sigmoid(logits) if several else torch.softmax(logits, 1)


def train(model, splits, seconds, batch, seed):
    """@returns the weights of the best validation, its AUC, and the steps that the time sufficed for"""
    images, labels = splits["train"]
    several = labels.shape[1] > 1
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    order = torch.Generator().manual_seed(seed)
    epoch = torch.empty(0, dtype=torch.long)
    spent, steps, picks, best = 0.0, 0, 0, (-1.0, None)
    while spent < seconds:
        began = time.process_time()
        share = spent / seconds
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (1 if share < 0.5 else 0.1 if share < 0.75 else 0.01)
        if len(epoch) < batch:
            epoch = torch.randperm(len(images), generator=order)
        rows, epoch = epoch[:batch], epoch[batch:]
        logits = model(images[rows])
        if several:
            loss = F.binary_cross_entropy_with_logits(logits, labels[rows].float())
        else:
            loss = F.cross_entropy(logits, labels[rows, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps += 1
        spent += time.process_time() - began
        if spent >= seconds * (picks + 1) / PICKS:
            picks = int(spent * PICKS / seconds)
            validated = mean_auc(splits["val"][1], scores_of(model, splits["val"][0], several))
            if validated > best[0]:
                best = (validated, copy.deepcopy(model.state_dict()))
    return best[1], best[0], steps


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", type=pathlib.Path)
    arguments.add_argument("--seconds", type=float, required=True)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--batch", type=int, help="48 images or 16 volumes where it is not said")
    arguments.add_argument("--width", type=int, default=64, help="channels of the first stage; 64 is ResNet-18")
    arguments.add_argument("--classes", type=int, required=True)
    arguments.add_argument("-o", "--output", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(options.seed)
    flag = options.file.stem
    splits = load(options.file, flag.endswith("3d"))
    images, labels = splits["train"]
    several = labels.shape[1] > 1
    model = resnet18(images.ndim - 2, images.shape[1], options.classes, options.width)
    batch = options.batch or (16 if images.ndim == 5 else 48)
    weights, validated, steps = train(model, splits, options.seconds, batch, options.seed)
    model.load_state_dict(weights)
    scores = scores_of(model, splits["test"][0], several)
    accuracy = (scores > 0.5).eq(splits["test"][1] == 1) if several else scores.argmax(1).eq(splits["test"][1][:, 0])
    tested = mean_auc(splits["test"][1], scores)
    name = f"{flag}_test_[AUC]{tested:.3f}_[ACC]{accuracy.double().mean():.3f}@resnet18-{options.width}-seed-{options.seed}.csv"
    options.output.mkdir(parents=True, exist_ok=True)
    lines = [",".join([str(at), *map(repr, row)]) for at, row in enumerate(scores.double().tolist())]
    (options.output / name).write_text("".join(f"{line}\n" for line in lines))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"file": name, "steps": steps, "parameters": parameters, "validation": validated, "auc": tested}))


main()
