"""A package with the interface of davis2017-evaluation, and the faults of the original.

It reads files as that does, values as stored and 255 as void, and ends its process where one is
missing, with status 0. J and F are the built-in engine's, and what a fault makes of them.
"""

import sys
from pathlib import Path

import pytest

FAULTS = {
    "a missing mask": "os.remove(sorted(glob(f'{res_path}/*/*.png'))[-1])",
    "an error": "raise ValueError('shapes\\ndiffer')",
    "killed": "os.kill(os.getpid(), 9)",
    "other figures": "self.error = 2e-6",
    "a frame too few": "self.until = -2",
    "other means": "self.means = 0.5",
}
"""What it does to itself as `evaluate` begins, or to the masks."""

_EVALUATION = """
import os
import sys
from glob import glob

import numpy as np
from PIL import Image

from rgmp.evaluation.measures import measure


class DAVISEvaluation:
    error, until, means = {error}, -1, 0.0

    def __init__(self, davis_root, task, gt_set, sequences="all", codalab=False):
        assert (task, gt_set, sequences) == ("semi-supervised", "val", "all")
        self.root = davis_root
        with open(f"{{davis_root}}/ImageSets/2017/val.txt") as file:
            self.sequences = [line.strip() for line in file]

    @staticmethod
    def _evaluate_semisupervised(truths, masks, void, metric):
        pairs = [[measure(t, m) for t, m in zip(*each)] for each in zip(truths, masks)]
        return tuple(np.array([[getattr(p, name) for p in of] for of in pairs]) for name in "JF")

    def evaluate(self, res_path, metric=("J", "F"), debug=False):
        {fault}
        found = {{name: {{"M_per_object": {{}}}} for name in "JF"}}
        for name in self.sequences:
            paths = sorted(glob(f"{{self.root}}/Annotations/480p/{{name}}/*.png"))
            truth = [self.read(path) for path in paths]
            assert len(glob(f"{{self.root}}/JPEGImages/480p/{{name}}/*.jpg")) == len(truth)
            numbers = [os.path.basename(path) for path in paths][1 : self.until]
            masks = [self.read(f"{{res_path}}/{{name}}/{{number}}") for number in numbers]
            ids = range(1, int(truth[0].max()) + 1)
            pair = [[[m == i for m in of] for i in ids] for of in (truth[1:-1], masks)]
            J, F = self._evaluate_semisupervised(*pair, None, metric)
            J += np.where(J < 0.5, self.error, -self.error)
            for measured, of in (("J", J), ("F", F)):
                for i in ids:
                    mean = of[i - 1].mean() + self.means
                    found[measured]["M_per_object"][f"{{name}}_{{i}}"] = mean
        return found

    def read(self, path):
        try:
            values = np.array(Image.open(path)).astype(float)
        except IOError:
            sys.stdout.write(f"frame {{path}} not found!")
            sys.exit()
        values[values == 255] = 0
        return values
"""


def put_evaluator(
    monkeypatch: pytest.MonkeyPatch, folder: Path, fault: str = "", error: float = 0.0
) -> None:
    """Make it what is imported, also by processes that start from now on.

    Args:
        monkeypatch: undoes it.
        folder: a new one.
        fault: one of `FAULTS`; empty: none.
        error: what its J is off by, in [0, 1] still.
    """
    packages = {"davis2017": "evaluation", "skimage": "morphology"}
    for package, module in packages.items():
        (folder / package).mkdir(parents=True)
        for name in ("__init__", module):
            (folder / package / f"{name}.py").touch()
    source = _EVALUATION.format(fault=FAULTS.get(fault, "pass"), error=error)
    (folder / "davis2017/evaluation.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    for name in [*sys.modules]:
        if name.partition(".")[0] in packages:
            monkeypatch.delitem(sys.modules, name)


def take_evaluator_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make as if there were none, in this process."""
    monkeypatch.setitem(sys.modules, "davis2017", None)
