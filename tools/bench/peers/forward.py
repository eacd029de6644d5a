"""Embeddings of one batch by timm's VisionTransformer: `forward.py '{"mode": "eager" | "compile" | "onnx", ...}'`.

Width, heads and patch are the other side's; blocks and the width of their MLP are chosen so that the number of parameters
is the other side's, too, within 5 %. Volumes enter by a 3D convolution of the same patch edge.
"""

import json
import os
import sys
import tempfile

import numpy as np
import torch
from serve import resident, samples, serve
from timm.models.vision_transformer import VisionTransformer

TOLERANCE = 0.05
#: Of ONNX Runtime to PyTorch, by the largest element.
AGREEMENT = 1e-3


class PatchEmbed3d(torch.nn.Module):
    """Volumes [B, C, Z, H, W] to patch tokens [B, N, D]."""

    def __init__(self, img_size, patch_size, in_chans, embed_dim, bias=True, **_):
        super().__init__()
        self.num_patches = int(np.prod([edge // patch_size for edge in img_size]))
        self.proj = torch.nn.Conv3d(in_chans, embed_dim, patch_size, patch_size, bias=bias)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def build(size, spatial, patch, depth, mlp_ratio):
    volumes = {"embed_layer": PatchEmbed3d} if len(spatial) == 3 else {}
    return VisionTransformer(
        img_size=tuple(spatial),
        patch_size=patch,
        in_chans=1,
        num_classes=0,
        embed_dim=size["width"],
        depth=depth,
        num_heads=size["heads"],
        mlp_ratio=mlp_ratio,
        **volumes,
    )


def of_equal_size(size, spatial, patch):
    """The transformer whose parameters are nearest in number, by blocks first, then by their MLP's width."""
    count = lambda model: sum(parameter.numel() for parameter in model.parameters())  # noqa: E731
    wanted, ratio, width = size["parameters"], size["mlpRatio"], size["width"]
    one, two = (count(build(size, spatial, patch, depth, ratio)) for depth in (1, 2))
    depth = max(1, round(1 + (wanted - one) / (two - one)))
    left = wanted - (one + (depth - 1) * (two - one))
    hidden = max(1, round(ratio * width + left / depth / (2 * width + 1)))
    model = build(size, spatial, patch, depth, hidden / width)
    found = count(model)
    if abs(found - wanted) > TOLERANCE * wanted:
        raise ValueError(f"parameters: expected {wanted}, found {found}")
    return model.eval(), {"parameters": found, "depth": depth, "mlpRatio": hidden / width}


def by_onnx_runtime(model, x, threads):
    import onnxruntime

    file = os.path.join(tempfile.mkdtemp(), "vit.onnx")
    torch.onnx.export(model, (x,), file, dynamo=True, external_data=False, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    values = x.numpy()
    run = lambda: session.run(None, {name: values})  # noqa: E731
    with torch.inference_mode():
        expected = model(x).numpy()
    away = float(np.abs(run()[0] - expected).max() / np.abs(expected).max())
    if not away <= AGREEMENT:
        raise ValueError(f"ONNX Runtime is {away} from PyTorch")
    return run, {"onnxruntime": onnxruntime.__version__}


def main():
    case = json.loads(sys.argv[1])
    torch.set_num_threads(case["threads"])
    torch.manual_seed(0)
    with open(case["size"], encoding="utf8") as file:
        size = json.load(file)
    model, facts = of_equal_size(size, case["spatial"], case["patch"])
    x = torch.rand(case["batch"], 1, *case["spatial"])
    before = resident()["now"]
    if case["mode"] == "onnx":
        run, versions = by_onnx_runtime(model, x, case["threads"])
    else:
        forward = torch.compile(model) if case["mode"] == "compile" else model
        versions = {"torch": torch.__version__}

        def run():
            with torch.inference_mode():
                return forward(x)

    samples(run, 0)
    serve(run, {**facts, **versions}, {"memory": lambda: {"used": resident()["peak"] - before}})


main()
