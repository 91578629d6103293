"""What is read of a DAVIS tree, by the names of its years."""

from pathlib import Path

from rgmp.config.base import Benchmark
from rgmp.config.dataset import DAVIS
from rgmp.data import sequence
from rgmp.data.images import Labels
from rgmp.data.sequence import Sequence
from rgmp.data.videos import Videos


def read_split(root: Path, benchmark: Benchmark, split: str) -> list[str]:
    return Videos(davis=root, benchmark=benchmark, split=split).names()


def open_sequence(root: Path, name: str, benchmark: Benchmark = "davis2017") -> Sequence:
    return Videos(davis=root, benchmark=benchmark).tree.open_sequence(name)


def read_annotation(path: Path, benchmark: Benchmark) -> Labels:
    return sequence.read_annotation(path, DAVIS[benchmark])
