"""The network's passes over a frame: every scale, objects in batches that fit in memory.

Source: facts/rgmp.md, "Inference" (geometry as in the authors' code).
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn

from rgmp.config.method import Inference
from rgmp.errors import UserError
from rgmp.model.network import RGMP, STRIDE, Reference, folded

Size = tuple[int, int]
T = TypeVar("T")


def padding(size: int) -> tuple[int, int]:
    """Padding before and after `size` pixels: a full stride if `size` is already a multiple."""
    extra = STRIDE - size % STRIDE
    return extra // 2, extra - extra // 2


def scaled_size(padded: Size, scale: float) -> Size:
    """Height and width to resize the padded frame to; unchanged at scale 1."""
    if scale == 1:
        return padded
    height, width = (int(n * scale) for n in padded)
    return height + sum(padding(height)), width + sum(padding(width))


class Passes:
    """Runs a network over a padded frame and the masks of its objects.

    Optimisations, which change the result by rounding at most: batch norms are folded into the
    convolutions, memory is channels-last, `bf16` weights are cast once, and the objects form a
    batch that shares the frame's half of the first convolution.

    Attributes:
        network: what is run, in the precision of the settings.
    """

    def __init__(
        self,
        network: RGMP,
        settings: Inference,
        device: torch.device,
        at_once: int = sys.maxsize,
    ) -> None:
        """Take a network.

        Args:
            network: in eval mode; it is not modified.
            settings: how it is run.
            device: where it runs.
            at_once: how many masks at most pass through the network as one batch; fewer do once
                these have not fitted in memory.
        """
        self._scales = settings.scales
        self.network = folded(network).to(device).to(memory_format=torch.channels_last)
        if settings.precision == "bf16":
            cast_to_bf16(self.network)
        self._tf32 = settings.precision == "tf32"
        self._at_once = at_once

    def references(self, frame: Tensor, masks: Tensor) -> list[Reference]:
        """The references at every scale for a frame (1, 3, H, W) and masks (M, 1, H, W)."""
        torch.backends.cudnn.allow_tf32 = self._tf32
        return [
            _joined(self._in_chunks(len(masks), partial(self._encode, scale, frame, masks)))
            for scale in self._scales
        ]

    def with_more(
        self, references: Sequence[Reference], kept: int, frame: Tensor, masks: Tensor
    ) -> list[Reference]:
        """References with those of further masks.

        Args:
            references: from `references`, of other masks.
            kept: how many of them stay, the first ones.
            frame: float (1, 3, H, W).
            masks: float (M, 1, H, W): those whose references stay, then the further ones.
        """
        further = self.references(frame, masks[kept:])
        return [
            _joined([None if old is None else (old[0][:kept], old[1][:kept]), new])
            for old, new in zip(references, further, strict=True)
        ]

    def foreground(
        self, frame: Tensor, masks: Tensor, references: Sequence[Reference]
    ) -> tuple[Tensor, list[Reference]]:
        """The probability of every mask's object, averaged over the scales.

        Args:
            frame: float (1, 3, H, W), RGB in [0, 1], padded.
            masks: float (M, 1, H, W), the soft masks of the previous frame, in [0, 1].
            references: from `references`, or from the previous frame.

        Returns:
            float (M, H, W) in [0, 1]; and the references of the next frame.

        Raises:
            UserError: not even one object fits in memory.
        """
        torch.backends.cudnn.allow_tf32 = self._tf32  # process-wide: something else may have set it
        total = torch.zeros_like(masks[:, 0])
        kept = []
        for scale, reference in zip(self._scales, references, strict=True):
            work = partial(self._pass, scale, frame, masks, reference)
            parts, following = zip(*self._in_chunks(len(masks), work), strict=True)
            total += torch.cat(parts)
            kept.append(_joined(following))
        return total / len(self._scales), kept

    def _encode(self, scale: float, frame: Tensor, masks: Tensor, chunk: slice) -> Reference:
        return self.network.reference(*_at(scale, frame, masks[chunk]))

    def _pass(
        self, scale: float, frame: Tensor, masks: Tensor, reference: Reference, chunk: slice
    ) -> tuple[Tensor, Reference]:
        """The foreground (m, H, W) of a chunk of objects at one scale, and their references."""
        share = None if reference is None else (reference[0][chunk], reference[1][chunk])
        logits, following = self.network(*_at(scale, frame, masks[chunk]), share)
        foreground = torch.softmax(logits.to(masks.dtype), dim=1)[:, 1:]
        return _resize(foreground, _size(frame))[:, 0], following

    def _in_chunks(self, count: int, work: Callable[[slice], T]) -> list[T]:
        """Run `work` on `count` objects, as many at once as have been found to fit in memory."""
        while True:
            step = min(self._at_once, count)
            try:
                return [work(slice(i, i + step)) for i in range(0, count, step)]
            except RuntimeError as error:
                # while a CUDA graph is captured, cuDNN cannot choose algorithms for other shapes
                if not is_out_of_memory(error) or _is_capturing():
                    raise
                why = str(error).splitlines()[0]
            if not self.take_fewer(count):
                raise UserError(
                    f"not enough memory for one object ({why}); free some, or use smaller "
                    "scales or bf16"
                )

    def take_fewer(self, count: int) -> bool:
        """After memory was too little for `count` masks: pass half as many at once from now on.

        Returns:
            Whether that is possible: one mask at once is the fewest.
        """
        step = min(self._at_once, count)
        if step == 1:
            return False
        self._at_once = (step + 1) // 2
        print(
            f"out of memory with {step} objects at once; retrying with {self._at_once}",
            file=sys.stderr,
            flush=True,
        )
        return True


def cast_to_bf16(network: RGMP) -> None:
    """Cast the convolutions of a network, in place, but for the heads.

    The frame is normalised before rounding, and logits are never rounded.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and not name.startswith("decoder.head"):
            module.to(torch.bfloat16)


_OUT_OF_MEMORY = (
    "can't allocate memory",  # main memory
    "out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "unable to find an engine",  # cuDNN, without workspace memory
    "Unable to find a valid cuDNN algorithm",
)


def _is_capturing() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a GPU or the machine is out of memory; not all such errors have their own class."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(s in said for s in _OUT_OF_MEMORY)


def _joined(chunks: Sequence[Reference]) -> Reference:
    """The references of consecutive chunks of objects as one."""
    kept = [chunk for chunk in chunks if chunk is not None]
    if len(kept) < 2:
        return chunks[0]
    columns, rows = zip(*kept, strict=True)
    return torch.cat(columns), torch.cat(rows)


def _at(scale: float, frame: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    size = scaled_size(_size(frame), scale)
    return _resize(frame, size), _resize(masks, size)


def _size(image: Tensor) -> Size:
    return int(image.shape[-2]), int(image.shape[-1])


def _resize(image: Tensor, size: Size) -> Tensor:
    """Bilinear, half-pixel centres, no antialiasing; the image itself at its own size."""
    if _size(image) == size:
        return image
    return F.interpolate(image, size, mode="bilinear", align_corners=False)
