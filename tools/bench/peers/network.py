"""The Medformer in PyTorch as somebody who writes PyTorch every day would: packed projections, nn.Conv with its own
padding, expanded (not copied) latents and queries. Loads the weights that the other side dumped, by their names, and
computes the same function; step.py checks that before anything is timed.

TensorFlow pads a stride-2 convolution behind an even edge, PyTorch before it. Both are mirror images of each other, so
this side mirrors images, kernels and position codes once, at load, and pays for no extra padding.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

KERNEL = 3


class Attention(nn.Module):
    """Multi-head attention; `packed` of query, key and value (self) or of key and value (cross)."""

    def __init__(self, width, heads, names, at, packed, options):
        super().__init__()
        self.heads, self.packed, self.options = heads, packed, options
        first = ["query", "key", "value"] if packed == 3 else ["key", "value"]
        self.projections = nn.Linear(width, packed * width)
        names.packed_linear([f"{at}/{part}" for part in first], self.projections)
        if packed == 2:
            self.query = names.linear(f"{at}/query", nn.Linear(width, width))
        self.out = names.linear(f"{at}/out", nn.Linear(width, width))

    def forward(self, tokens, queries=None, bias=None):
        batch, count, width = tokens.shape
        parts = self.projections(tokens).view(batch, count, self.packed, self.heads, width // self.heads)
        parts = parts.permute(2, 0, 3, 1, 4)  # [3 or 2, B, H, N, D / H]
        if self.packed == 3:
            q, k, v = parts.unbind(0)
        else:
            k, v = parts.unbind(0)
            q = self.query(queries).view(1, -1, self.heads, width // self.heads).transpose(1, 2)
            q = q.expand(batch, -1, -1, -1)
        if self.options["attention"] == "sdpa":
            read = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        else:
            logits = torch.matmul(q, k.transpose(-1, -2)) * (1 / math.sqrt(width // self.heads))
            read = torch.matmul(torch.softmax(logits if bias is None else logits + bias, -1), v)
        return self.out(read.transpose(1, 2).reshape(batch, -1, width))


class Mlp(nn.Module):
    def __init__(self, width, hidden, names, at):
        super().__init__()
        self.expand = names.linear(f"{at}/expand", nn.Linear(width, hidden))
        self.contract = names.linear(f"{at}/contract", nn.Linear(hidden, width))

    def forward(self, x):
        return self.contract(F.gelu(self.expand(x)))


class Block(nn.Module):
    def __init__(self, width, heads, hidden, names, at, options):
        super().__init__()
        self.attention_norm = names.norm(f"{at}/attention-norm", nn.LayerNorm(width))
        self.attention = Attention(width, heads, names, f"{at}/attention", 3, options)
        self.mlp_norm = names.norm(f"{at}/mlp-norm", nn.LayerNorm(width))
        self.mlp = Mlp(width, hidden, names, f"{at}/mlp")

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Stem(nn.Module):
    """Stride-2 convolutions, one per halving of the patch; colour is the luma's and the chroma's convolution added."""

    def __init__(self, axes, patch, width, names):
        super().__init__()
        conv = nn.Conv3d if axes == 3 else nn.Conv2d
        layers = int(math.log2(patch))
        widths = [
            width if n == layers - 1 else max(8, math.floor(width / 3 / 2 ** (layers - 2 - n) + 0.5))
            for n in range(layers)
        ]
        at = f"input/patch-embed-{axes}d"
        settings = {"kernel_size": KERNEL, "stride": 2, "padding": 1}
        self.luma = names.convolution(f"{at}/luma", conv(1, widths[0], **settings))
        self.chroma = names.convolution(f"{at}/chroma", conv(2, widths[0], **settings))
        self.rest = nn.ModuleList(
            names.convolution(f"{at}/{n}", conv(widths[n - 1], widths[n], **settings)) for n in range(1, layers)
        )

    def forward(self, x):
        if x.shape[1] == 1:
            h = self.luma(x)
        else:
            luma = x.mean(1, keepdim=True)
            h = self.luma(luma) + self.chroma(torch.stack([x[:, 0], x[:, -1]], 1) - luma)
        for convolution in self.rest:
            h = convolution(F.gelu(h))
        return h.flatten(2).transpose(1, 2)  # [B, N, D]


class Medformer(nn.Module):
    def __init__(self, config, codes, spatial, options):
        super().__init__()
        self.names = names = Names()
        width, heads = config["width"], config["heads"]
        hidden = round(width * config["mlpRatio"])
        self.heads, self.axes = heads, len(spatial)
        patch = config[f"patch{self.axes}d"]
        grid = [math.ceil(size / patch) for size in spatial]
        features, centres = position_codes(grid, config["frequencies"])
        self.register_buffer("features", features)
        self.register_buffer("centres", centres)

        self.stems = nn.ModuleDict(
            {f"{axes}d": Stem(axes, config[f"patch{axes}d"], width, names) for axes in (2, 3)}
        )
        self.positions = nn.ModuleDict(
            {
                f"{axes}d": names.linear(
                    f"input/position-codes-{axes}d", nn.Linear(axes * (2 * config["frequencies"] + 1), width)
                )
                for axes in (2, 3)
            }
        )
        self.modality_codes = names.plain("input/modality-codes", [codes["modalities"] + 1, width])
        self.body_part_codes = names.plain("input/body-part-codes", [codes["bodyParts"] + 1, width])
        self.latents = names.plain("input/latents", [config["latents"], width])
        self.places = names.plain("input/latent-places", [config["latents"], 3])
        self.focus = names.plain("input/latent-focus", [heads])
        self.token_norm = names.norm("input/token-norm", nn.LayerNorm(width))
        self.latent_norm = names.norm("input/latent-norm", nn.LayerNorm(width))
        self.reading = Attention(width, heads, names, "input/cross-attention", 2, options)
        self.reading_norm = names.norm("input/mlp-norm", nn.LayerNorm(width))
        self.reading_mlp = Mlp(width, hidden, names, "input/mlp")
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden, names, f"body/{n:02d}", options) for n in range(config["depth"])
        )
        self.body_norm = names.norm("body/norm", nn.LayerNorm(width))
        self.query = names.plain("output/shared-query", [width])
        self.pooling = Attention(width, heads, names, "output/cross-attention", 2, options)
        self.output_norm = names.norm("output/norm", nn.LayerNorm(width))

    def forward(self, x, modality, body_part):
        """x [B, C, ...spatial], code rows [B] -> embeddings [B, D]."""
        axes = f"{self.axes}d"
        codes = F.embedding(modality, self.modality_codes) + F.embedding(body_part, self.body_part_codes)
        tokens = self.stems[axes](x) + self.positions[axes](self.features) + codes[:, None]
        latents = self.latents[None]
        read = self.reading(self.token_norm(tokens), self.latent_norm(latents), self.latent_places())
        h = latents + read
        h = h + self.reading_mlp(self.reading_norm(h))
        for block in self.blocks:
            h = block(h)
        h = self.body_norm(h)
        pooled = h.mean(1) + self.pooling(h, self.query[None, None]).squeeze(1)
        return self.output_norm(pooled)

    def latent_places(self):
        """Bias of the cross-attention, -(focus_h distance)^2: [1, H, latents, N]; a plane has the last two axes."""
        seen = self.places[:, 3 - self.axes :]
        squared = seen.square().sum(1, keepdim=True) - 2 * seen @ self.centres.T + self.centres.square().sum(1)
        return -(self.focus.square()[:, None, None] * squared)[None]


class ProjectionHead(nn.Module):
    """Dense layers without bias; between them batch normalisation by the batch's own statistics, and GELU."""

    def __init__(self, method, width, widths, names):
        super().__init__()
        layers = []
        for n, to in enumerate(widths):
            at = f"method/{method}/projection-{n}"
            layers.append(names.linear(at, nn.Linear(width, to, bias=False)))
            if n < len(widths) - 1:
                layers.append(names.norm(at, nn.BatchNorm1d(to, track_running_stats=False)))
                layers.append(nn.GELU())
            width = to
        self.layers = nn.Sequential(*layers)

    def forward(self, h):
        return self.layers(h)


class Names:
    """Which parameter here is which over there, and how its axes lie."""

    def __init__(self):
        self.loaders = {}

    def plain(self, name, shape):
        parameter = nn.Parameter(torch.empty(shape))
        self.loaders[name] = lambda value: parameter.copy_(value.reshape(shape))
        return parameter

    def linear(self, at, layer):
        self.loaders[f"{at}/weight"] = lambda value: layer.weight.copy_(value.T)
        if layer.bias is not None:
            self.loaders[f"{at}/bias"] = lambda value: layer.bias.copy_(value)
        return layer

    def packed_linear(self, parts, layer):
        width = layer.in_features
        for n, at in enumerate(parts):
            rows = slice(n * width, (n + 1) * width)
            self.loaders[f"{at}/weight"] = lambda value, rows=rows: layer.weight[rows].copy_(value.T)
            self.loaders[f"{at}/bias"] = lambda value, rows=rows: layer.bias[rows].copy_(value)

    def norm(self, at, layer):
        self.loaders[f"{at}/gain"] = lambda value: layer.weight.copy_(value)
        self.loaders[f"{at}/bias"] = lambda value: layer.bias.copy_(value)
        return layer

    def convolution(self, at, layer):
        """[...kernel, in, out] -> [out, in, ...kernel], mirrored."""
        axes = layer.weight.dim() - 2

        def load(value):
            moved = value.permute(axes + 1, axes, *range(axes))
            layer.weight.copy_(moved.flip(tuple(range(2, axes + 2))))

        self.loaders[f"{at}/weight"] = load
        self.loaders[f"{at}/bias"] = lambda value: layer.bias.copy_(value)
        return layer

    @torch.no_grad()
    def load(self, tensors):
        """Fails unless both sides have the same names."""
        if missing := sorted(set(tensors) ^ set(self.loaders)):
            raise ValueError(f"parameters that only one side has: {', '.join(missing)}")
        for name, loader in self.loaders.items():
            loader(tensors[name])


def position_codes(grid, frequencies):
    """Fourier codes [N, F] and centres [N, axes] of a grid's patches, mirrored."""
    centres = [(2 * (np.arange(edge) + 0.5)) / edge - 1 for edge in grid]
    places = np.stack(np.meshgrid(*centres, indexing="ij"), -1).reshape(-1, len(grid))
    angles = math.pi * places[:, :, None] * (np.arange(frequencies) + 1) / 2
    waves = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(len(places), len(grid), -1)
    features = np.concatenate([places[:, :, None], waves], -1).reshape(len(places), -1)
    mirrored = [torch.from_numpy(np.ascontiguousarray(array[::-1], dtype=np.float32)) for array in (features, places)]
    return mirrored[0], mirrored[1]
