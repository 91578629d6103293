"""Segment a video by propagating the mask of each object from the frame that gives it on.

Source: facts/rgmp.md, "Inference" (paper section 3.4; geometry as in the authors' code).
"""

import sys
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rgmp.config.method import Inference
from rgmp.data import davis
from rgmp.data.images import Labels, size_text
from rgmp.errors import UserError
from rgmp.inference.aggregation import aggregate, needs_union
from rgmp.inference.cuda_graph import Graph, StepFunction
from rgmp.inference.multiscale import Passes, is_out_of_memory, padding
from rgmp.model.network import RGMP, Reference

PassesMaker = Callable[[RGMP, Inference, torch.device], Passes]
"""Makes the network's passes over a frame."""

_GRAPHS = 8
"""How many shapes keep a captured step on a GPU; a data set has few."""


class Propagator:
    """Tracks the objects of one video; its memory does not grow with the video's length.

    Attributes:
        device: where it runs.
        records: whether steps are replayed as CUDA graphs; no longer once one cannot be captured.
        objects: the ids of those that are tracked.

    >>> propagator = Propagator(network, Inference(), torch.device("cpu"))
    >>> propagator.start(first_frame, first_labels)
    >>> labels = propagator.step(second_frame)
    """

    def __init__(
        self,
        network: RGMP,
        settings: Inference,
        device: torch.device,
        *,
        graphs: bool = True,
        passes: PassesMaker = Passes,
    ) -> None:
        """Take a network; it is not modified.

        Args:
            network: in eval mode.
            settings: how it is run.
            device: where it runs.
            graphs: whether a GPU replays the step as a CUDA graph.
            passes: makes the network's passes.
        """
        self._passes = passes(network, settings, device)
        self._aggregation = settings.aggregation
        self.device = device
        self.records = graphs and device.type == "cuda"
        self._graphs: dict[tuple[int, ...], Graph] = {}
        self._pool = torch.cuda.graph_pool_handle() if self.records else None

    @torch.inference_mode()
    def start(self, frame: Labels, labels: Labels, objects: Sequence[int] | None = None) -> None:
        """Start a video from its first frame with objects, and the labels of that.

        Args:
            frame: uint8 (H, W, 3), RGB.
            labels: uint8 (H, W): 0 background, 1, 2, ... objects, 255 void.
            objects: the ids; None: 1 to the largest, as DAVIS counts.

        Raises:
            UserError: there is no object, the sizes differ, or not even one object fits in memory.
        """
        self._track(davis.object_ids(labels) if objects is None else objects)
        if not self.objects:
            raise UserError("the mask of frame 0 has no object; it must show every object to track")
        self._shape = labels.shape
        (top, bottom), (left, right) = (padding(n) for n in labels.shape)
        self._margin = (left, right, top, bottom)
        self._crop = (slice(top, top + labels.shape[0]), slice(left, left + labels.shape[1]))
        self._soft = self._masks_in(labels, self.objects)
        self._references: Sequence[Reference] = self._passes.references(
            self.upload(frame), self._masks(self._soft)
        )

    @torch.inference_mode()
    def add(self, frame: Labels, labels: Labels, objects: Sequence[int], found: Tensor) -> Tensor:
        """Give further objects at the frame that was segmented last.

        Their pixels are no other object's. Each keeps the reference of the frame that gives it; the
        union of all, where it is needed, has its reference here.

        Args:
            frame: uint8 (H, W, 3), RGB.
            labels: uint8 (H, W): the ids of the further objects, else 0.
            objects: these ids.
            found: labels, uint8 (H, W), on the device, as the step returned them.

        Returns:
            The same with the further objects, on the device.

        Raises:
            UserError: the sizes differ, or not even one object fits in memory.
        """
        count, new = len(self.objects), self._masks_in(labels, objects)
        self._soft = torch.cat([self._soft * (1 - new.amax(dim=0)), new])
        self._track([*self.objects, *objects])
        self._references = self._passes.with_more(
            self._references, count, self.upload(frame), self._masks(self._soft)
        )
        given = torch.tensor(labels, device=self.device)
        return torch.where(given > 0, given, found)

    @torch.inference_mode()
    def step(self, frame: Labels) -> Tensor:
        """Segment the next frame, uint8 (H, W, 3): labels, uint8 (H, W), on the device.

        Raises:
            UserError: the frame's size differs from frame 0's, or not even one object fits in
                memory.
        """
        return self.segment(self.upload(frame))

    @torch.inference_mode()
    def segment(self, whole: Tensor) -> Tensor:
        """Like `step`, for a padded frame on the device: float (1, 3, H', W') in [0, 1]."""
        step = self._recorded(whole) or self._advance
        self._soft, labels, self._references = step(whole, self._soft, self._references)
        found = labels[self._crop].clone()
        return found if self._ids is None else self._ids[found.int()]

    def upload(self, frame: Labels) -> Tensor:
        """A frame, uint8 (H, W, 3), padded on the device: float (1, 3, H', W') in [0, 1]."""
        if frame.shape[:2] != self._shape:
            raise UserError(
                f"frame is {size_text(frame.shape[:2])}, but the mask of frame 0 "
                f"{size_text(self._shape)}; "
                "all frames of a video must have one size"
            )
        # in pinned memory, which a GPU copies asynchronously
        host = torch.empty(frame.shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        host.numpy()[...] = frame
        pixels = host.to(self.device, non_blocking=True)
        return F.pad(pixels.permute(2, 0, 1)[None].float() / 255, self._margin)

    @torch.inference_mode()
    def operations(self, whole: Tensor) -> int:
        """Count the floating-point operations of the next frame's step, without advancing."""
        with FlopCounterMode(display=False) as counter:
            self._advance(whole, self._soft, self._references)
        return int(counter.get_total_flops())

    def _advance(
        self, whole: Tensor, soft: Tensor, references: Sequence[Reference]
    ) -> tuple[Tensor, Tensor, Sequence[Reference]]:
        """The next soft masks, the labels of the padded frame, the next references."""
        mean, references = self._passes.foreground(whole, self._masks(soft), references)
        count = len(soft)
        soft, labels = aggregate(
            mean[:count], mean[count] if self._union else None, self._aggregation
        )
        return soft, labels, references

    def _track(self, objects: Sequence[int]) -> None:
        """Take these objects; the network knows them as 1, 2, ..."""
        self.objects = [*objects]
        is_counted = self.objects == [*range(1, len(objects) + 1)]
        table = torch.tensor([0, *objects], dtype=torch.uint8, device=self.device)
        self._ids = None if is_counted else table
        self._union = needs_union(self._aggregation, len(objects))

    def _masks_in(self, labels: Labels, objects: Sequence[int]) -> Tensor:
        """The padded masks of objects in labels, uint8 (H, W): float (M, H', W'), 0 or 1."""
        if labels.shape != self._shape:
            raise UserError(
                f"the mask is {size_text(labels.shape)}, but that of the first frame "
                f"{size_text(self._shape)}; all masks of a video must have one size"
            )
        truth = torch.tensor(labels, device=self.device)
        return F.pad(torch.stack([(truth == i).float() for i in objects]), self._margin)

    def _masks(self, soft: Tensor) -> Tensor:
        """The soft masks as a batch (M, 1, H', W'), followed by their union if needed."""
        if self._union:
            soft = torch.cat([soft, soft.sum(dim=0, keepdim=True)])
        return soft[:, None]

    def _recorded(self, whole: Tensor) -> StepFunction | None:
        """The step as a CUDA graph for this shape; None if it cannot be captured."""
        if not self.records:
            return None
        shape = (*whole.shape, len(self.objects))
        if shape not in self._graphs:
            self._graphs = dict(list(self._graphs.items())[1 - _GRAPHS :])  # drop the oldest
            try:
                graph = self._captured(whole)
            except RuntimeError as error:
                self.records = False
                why = str(error).splitlines()[0]
                print(
                    f"no CUDA graph ({why}); falling back to eager execution",
                    file=sys.stderr,
                    flush=True,
                )
                return None
            self._graphs[shape] = graph
        return self._graphs[shape]

    def _captured(self, whole: Tensor) -> Graph:
        """The step as a CUDA graph, of smaller batches if it does not fit in memory otherwise.

        Its warm-ups come with each attempt: cuDNN chooses its algorithms by the batch.
        """
        while True:
            try:
                return Graph(self._advance, whole, self._soft, self._references, self._pool)
            except RuntimeError as error:
                masks = len(self._soft) + self._union
                if not is_out_of_memory(error) or not self._passes.take_fewer(masks):
                    raise


def download(labels: Tensor) -> Callable[[], Labels]:
    """Start copying labels, uint8 (H, W), from the device; the result waits for the copy."""
    if labels.device.type != "cuda":
        return labels.numpy
    host = torch.empty(labels.shape, dtype=labels.dtype, pin_memory=True)
    host.copy_(labels, non_blocking=True)
    copied = torch.Event(labels.device)
    copied.record()

    def wait() -> Labels:
        copied.synchronize()
        found: Labels = host.numpy()
        return found

    return wait


def segment_next(propagator: Propagator, frame: Labels) -> Labels:
    """Segment the next frame, uint8 (H, W, 3), and wait for its labels, uint8 (H, W)."""
    return download(propagator.step(frame))()


def segment_frames(
    propagator: Propagator, frames: Sequence[Labels], labels: Labels
) -> Iterator[Labels]:
    """Segment a video that is in memory, one frame at a time.

    Args:
        propagator: what segments it.
        frames: each uint8 (H, W, 3).
        labels: of the first of them, uint8 (H, W).

    Yields:
        The labels of every frame but the first, uint8 (H, W).
    """
    propagator.start(frames[0], labels)
    for frame in frames[1:]:
        yield segment_next(propagator, frame)
