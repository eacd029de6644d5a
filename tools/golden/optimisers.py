"""Writes libs/optimisers/golden/optimisers.json: recorded steps of optimisers and schedules, for its specs.

From PyTorch: Adam, AdamW, SGD and the schedules. LARS exists in two conventions: facebookresearch/barlowtwins (the
class in main.py at 8e8d284, which is read from a copy of that file) and lightly.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install torch==2.15.0 lightly==1.6.0
    /tmp/golden/bin/python tools/golden/optimisers.py path/to/barlowtwins/main.py
"""

import ast
import importlib.metadata
import json
import math
import pathlib
import sys
import types

import torch
from lightly.utils.lars import LARS as LightlyLars
from lightly.utils.scheduler import cosine_schedule

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240614)
OUT = pathlib.Path(__file__).parents[2] / "libs/optimisers/golden/optimisers.json"
STEPS = 12
# The third starts at 0 and the last has no gradient in one step: the two cases in which a ratio of norms does not exist.
SHAPES = [[3, 2], [3], [2, 2], [4], [2, 3, 2]]


def numbers(tensor):
    return [float(f"{value:.12g}") for value in tensor.detach().flatten().tolist()]


def flat(tensors):
    return numbers(torch.cat([tensor.flatten() for tensor in tensors]))


def definitions(path, *names):
    """Classes and functions of a script, which itself is not run."""
    tree = ast.parse(pathlib.Path(path).read_text())
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names]
    space = {"optim": torch.optim, "torch": torch, "math": math}
    exec(compile(tree, path, "exec"), space)
    return [space[name] for name in names]


BarlowTwinsLars, adjust_learning_rate = definitions(sys.argv[1], "LARS", "adjust_learning_rate")


def trace(name, settings, optimiser_of, unadapted_rate=1.0):
    """Steps with falling rates; tensors with one axis are the second group, without decay."""
    tensors = [torch.zeros(shape) if at == 2 else torch.randn(shape) for at, shape in enumerate(SHAPES)]
    for tensor in tensors:
        tensor.requires_grad_()
    wide = [tensor for tensor in tensors if tensor.ndim > 1]
    narrow = [tensor for tensor in tensors if tensor.ndim == 1]
    optimiser = optimiser_of([{"params": wide}, {"params": narrow, "weight_decay": 0.0}])
    start, steps = flat(tensors), []
    for step in range(STEPS):
        rate = settings["learningRate"] / (1 + step / 4)
        for group, factor in zip(optimiser.param_groups, (1.0, unadapted_rate)):
            group["lr"] = rate * factor
        for at, tensor in enumerate(tensors):
            silent = at == 4 and step == 5
            tensor.grad = torch.zeros_like(tensor) if silent else torch.randn(tensor.shape) * 10 ** (at - 2)
        gradient = flat([tensor.grad for tensor in tensors])
        optimiser.step()
        steps.append({"learningRate": rate, "gradient": gradient, "parameters": flat(tensors)})
    return {"settings": {"name": name, **settings}, "shapes": SHAPES, "start": start, "steps": steps}


def adaptive(name, kind, **settings):
    betas = (settings["beta1"], settings["beta2"])
    return trace(
        name, settings, lambda groups: kind(groups, betas=betas, eps=1e-8, weight_decay=settings["weightDecay"])
    )


def sgd(**settings):
    return trace(
        "sgd",
        settings,
        lambda groups: torch.optim.SGD(
            groups,
            lr=1.0,
            momentum=settings["momentum"],
            nesterov=settings["nesterov"],
            weight_decay=settings["weightDecay"],
        ),
    )


def lars(convention, **settings):
    def optimiser_of(groups):
        if convention == "lightly":
            return LightlyLars(
                groups,
                lr=1.0,
                momentum=settings["momentum"],
                weight_decay=settings["weightDecay"],
                trust_coefficient=settings["trust"],
            )
        return BarlowTwinsLars(
            [{"params": group["params"]} for group in groups],
            lr=1.0,
            momentum=settings["momentum"],
            weight_decay=settings["weightDecay"],
            eta=settings["trust"],
            # Neither decay nor adaptation for tensors with one axis.
            weight_decay_filter=True,
            lars_adaptation_filter=True,
        )

    return trace("lars", {"convention": convention, **settings}, optimiser_of, settings["unadaptedRate"])


def warmed(name, steps, warmup, peak, final, schedule_of, **more):
    """LinearLR over the warm-up beside a schedule over all steps, or before one over the rest."""
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.SGD([weight], lr=peak)
    schedule = schedule_of(optimiser, steps, warmup, final)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    settings = {"learningRate": peak, "finalLearningRate": final, "warmupSteps": warmup}
    return {"settings": {**settings, "schedule": {"name": name, **more}}, "rates": rates}


def linear(optimiser, warmup):
    return torch.optim.lr_scheduler.LinearLR(optimiser, start_factor=1 / warmup, total_iters=warmup - 1)


def cosine(optimiser, steps, warmup, final):
    rest = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps - warmup, eta_min=final)
    # PyTorch would step the cosine from its peak; the warm-up's last step is that peak.
    return torch.optim.lr_scheduler.SequentialLR(optimiser, [linear(optimiser, warmup), rest], milestones=[warmup - 1])


def constant(optimiser, steps, warmup, final):
    return linear(optimiser, warmup)


def at(*shares, factor):
    def steps_of(optimiser, steps, warmup, final):
        milestones = [round(share * steps) for share in shares]
        drops = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma=factor)
        return torch.optim.lr_scheduler.ChainedScheduler([linear(optimiser, warmup), drops])

    return steps_of


def barlow_twins_rates(epochs, batches, batch_size, peak):
    """Rates of the weights before each step, counted from 0, and one more. Its warm-up takes 10 epochs."""
    args = types.SimpleNamespace(
        epochs=epochs, batch_size=batch_size, learning_rate_weights=peak, learning_rate_biases=peak
    )
    optimiser = types.SimpleNamespace(param_groups=[{}, {}])
    rates = []
    for step in range(epochs * batches + 1):
        adjust_learning_rate(args, optimiser, range(batches), step)
        rates.append(optimiser.param_groups[0]["lr"])
    return {"warmupSteps": 10 * batches, "batchSize": batch_size, "learningRate": peak, "rates": rates}


OUT.write_text(
    json.dumps(
        {
            "versions": {
                **{name: importlib.metadata.version(name) for name in ("torch", "lightly")},
                "facebookresearch/barlowtwins": "8e8d284",
            },
            "optimisers": [
                adaptive("adamw", torch.optim.AdamW, learningRate=0.02, beta1=0.9, beta2=0.95, weightDecay=0.05),
                adaptive("adam", torch.optim.Adam, learningRate=0.02, beta1=0.9, beta2=0.999, weightDecay=0.1),
                adaptive("adam", torch.optim.Adam, learningRate=0.02, beta1=0.8, beta2=0.99, weightDecay=0.0),
                sgd(learningRate=0.001, momentum=0.0, nesterov=False, weightDecay=0.0),
                sgd(learningRate=0.001, momentum=0.9, nesterov=False, weightDecay=0.1),
                sgd(learningRate=0.001, momentum=0.9, nesterov=True, weightDecay=0.1),
                lars("barlow-twins", learningRate=3.0, momentum=0.9, weightDecay=1e-6, trust=0.001, unadaptedRate=0.024),
                lars("barlow-twins", learningRate=0.5, momentum=0.5, weightDecay=0.1, trust=0.02, unadaptedRate=1.0),
                lars("lightly", learningRate=3.0, momentum=0.9, weightDecay=1e-6, trust=0.001, unadaptedRate=0.024),
                lars("lightly", learningRate=0.5, momentum=0.5, weightDecay=0.1, trust=0.02, unadaptedRate=1.0),
            ],
            "schedules": [
                warmed("cosine", 50, 10, 0.3, 0.001, cosine),
                warmed("cosine", 23, 2, 1e-3, 0.0, cosine),
                warmed("constant", 12, 5, 0.1, 0.0, constant),
                warmed("steps", 40, 4, 0.1, 0.0, at(0.5, 0.75, factor=0.1), at=[0.5, 0.75], factor=0.1),
                warmed("steps", 31, 12, 0.1, 0.0, at(0.3, 0.6, 0.9, factor=0.5), at=[0.3, 0.6, 0.9], factor=0.5),
            ],
            "barlowTwinsSchedule": barlow_twins_rates(epochs=14, batches=3, batch_size=512, peak=0.2),
            # lightly's cosine of max_steps ends one step earlier than the papers' (Grill et al. 2020): hence STEPS + 1.
            "cosineDecay": [
                {"decay": base, "steps": STEPS, "values": [cosine_schedule(k, STEPS + 1, base, 1.0) for k in range(STEPS)]}
                for base in (0.99, 0.5)
            ],
        }
    )
    + "\n"
)
