"""What a propagator is asked beside its speed: whether its memory grows, whether labels agree."""

from collections.abc import Callable, Iterable
from itertools import cycle, islice
from typing import NamedTuple

import psutil
import torch

from rgmp.data.images import Labels
from rgmp.inference.propagator import Propagator, segment_frames

_LONGER = 4
"""How many times as long the long clip is."""


class Memory(NamedTuple):
    """Memory in use with a short and with a long clip.

    On a GPU the peak of what PyTorch reserves for one propagator once it has seen a clip's shape:
    also that of its CUDA graph, whose memory counts as allocated while it is captured alone. On a
    CPU what the whole process holds in main memory after the clip.

    Attributes:
        short_frames, long_frames: length of the clips.
        short_bytes, long_bytes: equal, but for noise, where memory does not grow with the length.
    """

    short_frames: int
    short_bytes: int
    long_frames: int
    long_bytes: int


def memory_by_length(
    make: Callable[[], Propagator], frames: list[Labels], labels: Labels
) -> tuple[Propagator, Memory]:
    """Make a propagator, and see what it uses for a clip and for one four times as long.

    The long clip is the short one over and over.

    Args:
        make: makes the propagator.
        frames: at least two, each uint8 (H, W, 3).
        labels: of frame 0, uint8 (H, W).
    """
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    propagator = make()
    _segment(propagator, frames, labels, 2)  # cuDNN tries its algorithms, a graph is captured
    used = []
    lengths = len(frames), _LONGER * len(frames)
    for length in lengths:
        if propagator.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(propagator.device)
        _segment(propagator, frames, labels, length)
        used.append(_memory_used(propagator.device, before))
    return propagator, Memory(lengths[0], used[0], lengths[1], used[1])


def growth_of_frames(propagator: Propagator, frames: list[Labels], labels: Labels) -> float:
    """Bytes of a GPU that each further frame of a clip adds to the peak of what is allocated.

    Unlike what is reserved, that is known to the byte. A propagator that kept the labels of every
    frame would add a byte for each pixel.

    Args:
        propagator: on a GPU; it has segmented this shape before, so that no graph is captured.
        frames: at least two, each uint8 (H, W, 3).
        labels: of frame 0, uint8 (H, W).
    """
    lengths, peaks = (len(frames), _LONGER * len(frames)), []
    for length in lengths:
        torch.cuda.reset_peak_memory_stats(propagator.device)
        _segment(propagator, frames, labels, length)
        peaks.append(torch.cuda.max_memory_allocated(propagator.device))
    return (peaks[1] - peaks[0]) / (lengths[1] - lengths[0])


def _segment(propagator: Propagator, frames: list[Labels], labels: Labels, length: int) -> None:
    """Segment a clip of that length: its frames but the first over and over."""
    longer = [frames[0], *islice(cycle(frames[1:]), length - 1)]
    for _ in segment_frames(propagator, longer, labels):
        pass


def _memory_used(device: torch.device, before: int) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) - before
    return int(psutil.Process().memory_info().rss)


def share_labelled_alike(
    one: Propagator,
    other: Propagator,
    videos: Iterable[tuple[list[Labels], Labels]],
) -> float:
    """The share of pixels that two propagators label alike, 0 to 1, frame 0 aside.

    Each goes on from its own masks, so that differences add up over a video as they do in use.

    Args:
        one: a propagator.
        other: another.
        videos: frames, uint8 (H, W, 3), and the labels of frame 0, uint8 (H, W).
    """
    alike = total = 0
    for frames, labels in videos:
        for propagator in (one, other):
            propagator.start(frames[0], labels)
        for frame in frames[1:]:
            equal = one.step(frame) == other.step(frame)
            alike += int(equal.sum())
            total += equal.numel()
    return alike / total
