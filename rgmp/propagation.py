"""Segment a video: the mask of frame 0 is propagated frame after frame.

Source: facts/rgmp.md, "Inference" (paper section 3.4; geometry as in the authors' code).
"""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from glob import escape
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from rgmp import davis
from rgmp.aggregation import aggregate, needs_union
from rgmp.config import Inference
from rgmp.errors import UserError
from rgmp.files import appearing, read_json, write_json
from rgmp.network import RGMP, STRIDE

Size = tuple[int, int]


def padding(size: int) -> tuple[int, int]:
    """Pixels put before and after `size` of them: a full stride where it divides already."""
    extra = STRIDE - size % STRIDE
    return extra // 2, extra - extra // 2


def scaled_size(padded: Size, scale: float) -> Size:
    """Height and width that the padded frame is resized to; itself at scale 1."""
    if scale == 1:
        return padded
    height, width = (int(n * scale) for n in padded)
    return height + sum(padding(height)), width + sum(padding(width))


class Propagator:
    """Follows the objects of one video; what it keeps does not grow with the video's length.

    >>> propagator = Propagator(network, Inference(), torch.device("cpu"))
    >>> propagator.start(first_frame, first_labels)
    >>> labels = propagator.step(second_frame)
    """

    def __init__(self, network: RGMP, settings: Inference, device: torch.device) -> None:
        """Take a network in eval mode; it is moved to `device`."""
        self._network = network.to(device).eval()
        self._settings = settings
        self.device = device

    @torch.inference_mode()
    def start(self, frame: davis.Labels, labels: davis.Labels) -> None:
        """Take frame 0 and what is in it.

        Args:
            frame: uint8 (H, W, 3), RGB.
            labels: uint8 (H, W): 0 background, 1, 2, ... objects, 255 void.

        Raises:
            UserError: there is no object, or the sizes differ.
        """
        self.objects = davis.object_ids(labels)
        if not self.objects:
            raise UserError("the mask of frame 0 has no object; it shows all that are followed")
        self._shape = labels.shape
        (top, bottom), (left, right) = (padding(n) for n in labels.shape)
        self._margin = (left, right, top, bottom)
        self._crop = (slice(top, top + labels.shape[0]), slice(left, left + labels.shape[1]))
        truth = torch.tensor(labels, device=self.device)
        masks = torch.stack([(truth == i).float() for i in self.objects])
        self._soft = F.pad(masks, self._margin)
        self._union = needs_union(self._settings.aggregation, len(self.objects))
        whole = self.upload(frame)
        with self._autocast():
            self._references = [
                self._network.reference(*self._at(scale, whole, self._masks()))
                for scale in self._settings.scales
            ]

    @torch.inference_mode()
    def step(self, frame: davis.Labels) -> Tensor:
        """Segment the next frame, uint8 (H, W, 3): labels, uint8 (H, W), on the device.

        Raises:
            UserError: the frame is not of frame 0's size.
        """
        return self.segment(self.upload(frame))

    @torch.inference_mode()
    def segment(self, whole: Tensor) -> Tensor:
        """As `step`, from the padded frame on the device: float (1, 3, H', W') in [0, 1]."""
        masks = self._masks()
        total = torch.zeros_like(masks[:, 0])
        for i, scale in enumerate(self._settings.scales):
            with self._autocast():
                logits, self._references[i] = self._network(
                    *self._at(scale, whole, masks), self._references[i]
                )
            foreground = torch.softmax(logits.float(), dim=1)[:, 1:]
            total += _resize(foreground, _size(whole))[:, 0]
        mean = total / len(self._settings.scales)
        count = len(self.objects)
        union = mean[count] if self._union else None
        self._soft, labels = aggregate(mean[:count], union, self._settings.aggregation)
        return labels[self._crop]

    def _masks(self) -> Tensor:
        """The soft masks as a batch (M, 1, H', W'), and after them their union where needed."""
        masks = self._soft
        if self._union:
            masks = torch.cat([masks, masks.sum(dim=0, keepdim=True)])
        return masks[:, None]

    def upload(self, frame: davis.Labels) -> Tensor:
        """A frame, uint8 (H, W, 3), padded on the device: float (1, 3, H', W') in [0, 1]."""
        if frame.shape[:2] != self._shape:
            raise UserError(
                f"a frame is {_by(frame.shape)}, the mask of frame 0 {_by(self._shape)}; "
                "a video has one size"
            )
        pixels = torch.tensor(frame, device=self.device)
        return F.pad(pixels.permute(2, 0, 1)[None].float() / 255, self._margin)

    def _at(self, scale: float, frame: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        size = scaled_size(_size(frame), scale)
        return _resize(frame, size), _resize(masks, size)

    def _autocast(self) -> AbstractContextManager[object]:
        """The network computes in the precision asked for."""
        if self._settings.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def _size(image: Tensor) -> Size:
    return int(image.shape[-2]), int(image.shape[-1])


def _by(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _resize(image: Tensor, size: Size) -> Tensor:
    """Bilinear, half-pixel centres, no antialiasing; the image itself at its own size."""
    if _size(image) == size:
        return image
    return F.interpolate(image, size, mode="bilinear", align_corners=False)


def segment_sequence(
    propagator: Propagator, sequence: davis.Sequence, benchmark: davis.Benchmark, out: Path
) -> None:
    """Write a mask for every frame of a sequence into the folder `out`, all of them or none.

    Frame 0's is its annotation.

    Raises:
        UserError: a file cannot be read or `out` cannot be written.
    """
    first = davis.read_annotation(sequence.annotations[0], benchmark)
    with appearing(out) as folder:
        folder.mkdir()
        for number, path in enumerate(sequence.frames):
            frame = davis.read_frame(path)
            try:
                if number == 0:
                    propagator.start(frame, first)
                    labels = np.where(first == davis.VOID, 0, first)
                else:
                    labels = propagator.step(frame).cpu().numpy()
            except UserError as error:
                raise UserError(f"{path}: {error}") from error
            davis.write_mask(folder / f"{path.stem}.png", labels)


def segment_split(
    propagator: Propagator,
    sequences: list[davis.Sequence],
    benchmark: davis.Benchmark,
    out: Path,
    maker: dict[str, str],
    report: Callable[[int], None],
) -> None:
    """Write the masks of many sequences under `out`; what a killed run finished is kept.

    Args:
        propagator: does the work.
        sequences: what to segment.
        benchmark: as what their annotations are read.
        out: `out/<sequence>/00000.png`.
        maker: stands for weights, settings and data; what another maker left is removed first.
        report: told how many frames are done, after each sequence.

    Raises:
        UserError: `out` holds something that no run of this function made; or as
            `segment_sequence`.
    """
    mark = out / ".made-by.json"
    if out.is_dir() and any(out.iterdir()):
        if not mark.is_file():
            raise UserError(
                f"{out}: holds other files; name an empty folder or a new one for masks"
            )
        if read_json(mark) != maker:
            for old in set(out.iterdir()) - {mark}:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    write_json(mark, maker)
    done = 0
    for sequence in sequences:
        if not (out / sequence.name).is_dir():
            for half in out.glob(f".{escape(sequence.name)}.*"):  # of a run that was killed
                shutil.rmtree(half)
            segment_sequence(propagator, sequence, benchmark, out / sequence.name)
        done += len(sequence.frames)
        report(done)
