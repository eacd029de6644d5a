"""medmnist's evaluator and table of sets without its package's first import, which needs torch and its data loaders."""

import importlib
import importlib.util
import pathlib
import sys
import types

_package = types.ModuleType("medmnist")
_package.__path__ = [str(pathlib.Path(importlib.util.find_spec("numpy").origin).parents[1] / "medmnist")]
sys.modules["medmnist"] = _package

evaluator = importlib.import_module("medmnist.evaluator")
info = importlib.import_module("medmnist.info")
