"""Segment a video by propagating the mask of frame 0 from frame to frame.

Source: facts/rgmp.md, "Inference" (paper section 3.4; geometry as in the authors' code).
"""

import sys
from collections.abc import Callable, Sequence

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
from rgmp.inference.multiscale import Passes, padding
from rgmp.model.network import RGMP, Reference

_GRAPHS = 8
"""How many shapes keep a captured step on a GPU; a data set has few."""


class Propagator:
    """Tracks the objects of one video; its memory does not grow with the video's length.

    >>> propagator = Propagator(network, Inference(), torch.device("cpu"))
    >>> propagator.start(first_frame, first_labels)
    >>> labels = propagator.step(second_frame)
    """

    def __init__(self, network: RGMP, settings: Inference, device: torch.device) -> None:
        """Take a network; it is not modified."""
        self._passes = Passes(network, settings, device)
        self._aggregation = settings.aggregation
        self.device = device
        self._records = device.type == "cuda"
        self._graphs: dict[tuple[int, ...], Graph] = {}
        self._pool = torch.cuda.graph_pool_handle() if self._records else None

    @torch.inference_mode()
    def start(self, frame: Labels, labels: Labels) -> None:
        """Start a video from frame 0 and its labels.

        Args:
            frame: uint8 (H, W, 3), RGB.
            labels: uint8 (H, W): 0 background, 1, 2, ... objects, 255 void.

        Raises:
            UserError: there is no object, the sizes differ, or not even one object fits in memory.
        """
        self.objects = davis.object_ids(labels)
        if not self.objects:
            raise UserError("the mask of frame 0 has no object; it must show every object to track")
        self._shape = labels.shape
        (top, bottom), (left, right) = (padding(n) for n in labels.shape)
        self._margin = (left, right, top, bottom)
        self._crop = (slice(top, top + labels.shape[0]), slice(left, left + labels.shape[1]))
        truth = torch.tensor(labels, device=self.device)
        masks = torch.stack([(truth == i).float() for i in self.objects])
        self._soft = F.pad(masks, self._margin)
        self._union = needs_union(self._aggregation, len(self.objects))
        self._references: Sequence[Reference] = self._passes.references(
            self.upload(frame), self._masks(self._soft)
        )

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
        return labels[self._crop].clone()

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

    def _masks(self, soft: Tensor) -> Tensor:
        """The soft masks as a batch (M, 1, H', W'), followed by their union if needed."""
        if self._union:
            soft = torch.cat([soft, soft.sum(dim=0, keepdim=True)])
        return soft[:, None]

    def _recorded(self, whole: Tensor) -> StepFunction | None:
        """The step as a CUDA graph for this shape; None if it cannot be captured."""
        if not self._records:
            return None
        shape = (*whole.shape, len(self.objects))
        if shape not in self._graphs:
            self._graphs = dict(list(self._graphs.items())[1 - _GRAPHS :])  # drop the oldest
            try:
                state = (whole, self._soft, self._references)
                graph = Graph(self._advance, *state, self._pool)
            except RuntimeError as error:
                self._records = False
                why = str(error).splitlines()[0]
                print(
                    f"no CUDA graph ({why}); falling back to eager execution",
                    file=sys.stderr,
                    flush=True,
                )
                return None
            self._graphs[shape] = graph
        return self._graphs[shape]


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
