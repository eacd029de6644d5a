"""The training step in PyTorch + lightly: `step.py '{"dump": ..., "mode": "eager" | "compile"}'`.

Before it is timed it shows that it is the same step: parameter count, and the losses and gradient norms of the first
steps on the other side's weights and batch. Then it tries what makes PyTorch faster and keeps what does.
"""

import json
import math
import statistics
import sys

import torch
from lightly.loss import BarlowTwinsLoss, NTXentLoss
from network import Medformer, ProjectionHead
from safetensors import safe_open
from serve import resident, samples, serve
from torch.utils.flop_counter import FlopCounterMode

ADAM_EPSILON = 1e-8
#: In the order they are tried; the first of each is where it starts.
CHOICES = {
    "layout": ["contiguous", "channels-last"],
    "attention": ["sdpa", "plain"],
    "optimiser": ["fused", "foreach"],
}
#: Each trial is compiled anew, and the compiler chooses layouts by itself: 20 s for nothing.
NOT_TRIED = {"eager": [], "compile": ["layout"]}
TRIAL_STEPS = 6


class Training:
    def __init__(self, dump, mode, choices):
        self.dump = dump
        meta, tensors = dump.meta, dump.tensors
        spec = meta["spec"]
        axes = len(meta["spatial"])
        self.model = Medformer(spec["model"], meta["codes"], meta["spatial"], choices)
        method = spec["method"]
        self.head = ProjectionHead(method["name"], spec["model"]["width"], method["projection"], self.model.names)
        layout = torch.contiguous_format
        if choices["layout"] == "channels-last":
            layout = {2: torch.channels_last, 3: torch.channels_last_3d}[axes]
            self.model.stems[f"{axes}d"].to(memory_format=layout)
        self.criterion = (
            NTXentLoss(temperature=method["temperature"])
            if method["name"] == "simclr"
            else BarlowTwinsLoss(lambda_param=method["lambda"])
        )
        x = torch.movedim(tensors["x"], -1, 1).flip(tuple(range(2, axes + 2)))
        self.x = x.contiguous(memory_format=layout)
        self.modality, self.body_part = tensors["modality"].long(), tensors["bodyPart"].long()
        self.parameters = [*self.model.parameters(), *self.head.parameters()]
        self.clip = spec["optimiser"]["clipNorm"]
        self.rates = meta["learningRates"]
        self.forward = torch.compile(self.loss) if mode == "compile" else self.loss
        self.restart(choices["optimiser"])

    def restart(self, optimiser):
        """The dumped weights and a new optimiser; what is compiled stays."""
        self.model.names.load(self.dump.weights)
        settings = self.dump.meta["spec"]["optimiser"]
        self.optimiser = torch.optim.AdamW(
            self.groups(settings["weightDecay"]),
            lr=settings["learningRate"],
            betas=(settings["beta1"], settings["beta2"]),
            eps=ADAM_EPSILON,
            fused=optimiser == "fused",
            foreach=optimiser == "foreach",
        )
        self.steps = 0

    def loss(self, x, modality, body_part):
        z = self.head(self.model(x, modality, body_part))
        half = z.shape[0] // 2
        return self.criterion(z[:half], z[half:])

    def step(self):
        """One step; the loss is read, as a run does to watch it."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rates[self.steps % len(self.rates)]
        self.steps += 1
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.forward(self.x, self.modality, self.body_part)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.clip) if self.clip > 0 else torch.tensor(0.0)
        self.optimiser.step()
        return loss.item(), norm.item()

    def groups(self, decay):
        """Only matrices that mix features decay; each parameter is in one group."""
        plain = {
            id(parameter)
            for module in (self.model, self.head)
            for name, parameter in module.named_parameters()
            if parameter.dim() < 2 or "." not in name
        }
        return [
            {"params": [p for p in self.parameters if id(p) not in plain], "weight_decay": decay},
            {"params": [p for p in self.parameters if id(p) in plain], "weight_decay": 0.0},
        ]


class Dump:
    def __init__(self, path):
        with safe_open(path, "pt") as file:
            self.meta = json.loads(file.metadata()["case"])
            everything = {name: file.get_tensor(name) for name in file.keys()}
        self.weights = {name[7:]: tensor for name, tensor in everything.items() if name.startswith("weight/")}
        self.tensors = {name[6:]: tensor for name, tensor in everything.items() if name.startswith("batch/")}


def same_step(training, meta):
    """How far this side is from the other's losses and gradient norms; a difference above the tolerance is fatal."""
    count = sum(parameter.numel() for parameter in training.parameters)
    if count != meta["parameters"]:
        raise ValueError(f"parameters: expected {meta['parameters']}, found {count}")
    worst = 0.0
    for step, expected in enumerate(meta["steps"], 1):
        loss, norm = training.step()
        for what, ours, theirs in (("loss", expected["loss"], loss), ("gradient norm", expected["norm"], norm)):
            away = abs(ours - theirs) / max(1.0, abs(ours))
            worst = max(worst, away)
            if not away <= meta["tolerance"] * (1 if what == "loss" and step == 1 else 10):
                raise ValueError(f"step {step}: {what}: expected {ours}, found {theirs}: not the same network")
    return {"parameters": count, "worstDifference": worst}


def fastest(dump, mode):
    """Tries one choice after the other and keeps what is faster: training, choices, milliseconds of each trial."""
    chosen = {name: options[0] for name, options in CHOICES.items()}
    best = Training(dump, mode, dict(chosen))
    best_ms = timed(best)
    trials = {" ".join(chosen.values()): round(best_ms, 2)}
    for name, options in CHOICES.items():
        for option in [] if name in NOT_TRIED[mode] else options[1:]:
            choices = {**chosen, name: option}
            if name == "optimiser":
                training = best
                training.restart(option)
            else:
                training = Training(dump, mode, dict(choices))
            ms = timed(training)
            trials[" ".join(choices.values())] = round(ms, 2)
            if ms < best_ms:
                best, best_ms, chosen = training, ms, choices
    return best, chosen, trials


def timed(training):
    """Median milliseconds of a step."""
    for _ in range(2):
        training.step()
    return statistics.median(samples(training.step, 0, TRIAL_STEPS))


def flops(dump):
    """Floating-point operations of the matrix products and convolutions, forward and backward."""
    training = Training(dump, "eager", {"layout": "contiguous", "attention": "plain", "optimiser": "foreach"})
    with FlopCounterMode(display=False) as counter:
        training.step()
    return counter.get_total_flops()


def main():
    case = json.loads(sys.argv[1])
    torch.set_num_threads(case["threads"])
    torch.manual_seed(0)
    dump = Dump(case["dump"])
    mode = case["mode"]
    if choices := case.get("choices"):
        training, trials = Training(dump, mode, choices), {}
    else:
        training, choices, trials = fastest(dump, mode)
    training.restart(choices["optimiser"])
    proof = same_step(training, dump.meta)
    facts = {"torch": torch.__version__, "mode": mode, "choices": choices, "trials": trials, "proof": proof}
    if mode == "eager":
        facts["flops"] = flops(dump)

    def run_steps(steps):
        """Resident memory after each tenth of so many steps."""
        marks = []
        for step in range(1, steps + 1):
            loss, _ = training.step()
            if not math.isfinite(loss):
                raise ValueError(f"step {step}: loss {loss}")
            if step % max(1, steps // 10) == 0:
                marks.append({"step": step, **resident()})
        return marks

    serve(training.step, facts, {"memory": resident, "steps": run_steps})


main()
