"""What commands of `rgmp` import; what `rgmp track` starts to write to MLflow is forked, too."""

import pkgutil
from importlib import import_module
from unittest.mock import patch

import torch
import torch.distributed.run

import rgmp
from rgmp.tracking import track
from support.mirrors import FORKING_SUBPROCESS

for module in pkgutil.walk_packages(rgmp.__path__, "rgmp."):
    if module.name != "rgmp.tracking.store":
        import_module(module.name)

torch.optim.SGD([torch.zeros(1)])  # imports half of torch
patch.object(track, "subprocess", FORKING_SUBPROCESS).start()
