"""A matrix product in PyTorch."""

import json
import sys

import torch
from serve import resident, samples, serve

case = json.loads(sys.argv[1])
torch.set_num_threads(case["threads"])
x = torch.rand(case["size"], case["size"]).to(getattr(torch, case["type"]))
product = torch.empty_like(x)


def multiply():
    torch.matmul(x, x, out=product)


samples(multiply, 0)
serve(multiply, {"type": case["type"]}, {"memory": resident})
