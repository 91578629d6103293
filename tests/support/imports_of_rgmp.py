"""What commands of `rgmp` import, but for `rgmp track`, which starts a process for MLflow."""

import pkgutil
from importlib import import_module

import torch
import torch.distributed.run

import rgmp

for module in pkgutil.walk_packages(rgmp.__path__, "rgmp."):
    if module.name != "rgmp.tracking.store":
        import_module(module.name)

torch.optim.SGD([torch.zeros(1)])  # imports half of torch
