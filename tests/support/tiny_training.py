"""Data and training runs so small that a few steps take a second."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from rgmp.config.method import Compute, Finetune, Network, Pretrain
from rgmp.config.study import Machine, Stills
from rgmp.data.davis import write_mask
from rgmp.data.roots import DataRoots
from rgmp.data.sample import Sample
from rgmp.model.network import RGMP
from rgmp.runtime.files import digest_of
from rgmp.training.job import TrainingJob

HEIGHT, WIDTH = 64, 96
STILL: dict[str, Any] = {
    **dict.fromkeys(("brightness", "contrast", "saturation", "flip", "translation"), 0),
    **dict.fromkeys(("rotation", "shear"), (0, 0)),
    **dict.fromkeys(("scale", "zoom"), (1, 1)),
}
"""Settings of views that show a picture as it is."""
TRUE_GUIDANCE: dict[str, Any] = {
    **dict.fromkeys(("guidance_shift", "guidance_warp", "guidance_empty", "guidance_cut"), 0),
    **dict.fromkeys(("guidance_rotation", "guidance_shear"), (0, 0)),
    "guidance_scale": (1, 1),
}
"""Settings of a guidance mask that is the true one."""


def pretrain(**changes: Any) -> Pretrain:
    """Settings of stage 1."""
    values = {"steps": 12, "batch": 2, "learning_rate": 2e-3, "final_learning_rate": 1e-4}
    return Pretrain.model_validate({**values, "crop": (HEIGHT, WIDTH), **changes})


def finetune(**changes: Any) -> Finetune:
    """Settings of stage 2."""
    values = {"steps": 12, "batch": 2, "learning_rate": 2e-3, "final_learning_rate": 1e-4}
    return Finetune.model_validate(
        {**values, "crop": (HEIGHT, WIDTH), "frames": (2, 4), "skip": (0, 2), **changes}
    )


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """A smooth random texture: uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def box(
    top: int,
    left: int,
    tall: int,
    wide: int,
    value: int = 1,
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> npt.NDArray[np.uint8]:
    """A mask with one rectangle."""
    labels = np.zeros(size, dtype=np.uint8)
    labels[top : top + tall, left : left + wide] = value
    return labels


def write_stills(root: Path, count: int = 3) -> Stills:
    """Photographs of a brighter box; its lowest row is uncertain (128)."""
    folders = Stills(images=root / "images", masks=root / "masks")
    folders.images.mkdir(parents=True)
    folders.masks.mkdir()
    for i in range(count):
        mask = box(16 + 4 * i, 20 + 8 * i, 24, 30, 255)
        mask[16 + 4 * i + 23] = np.where(mask[16 + 4 * i + 23] > 0, 128, 0)
        pixels = np.where(mask[..., None] > 0, 255 - picture(i) // 4, picture(i) // 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folders.images / f"{i}.png")
        Image.fromarray(mask).save(folders.masks / f"{i}.png")
    return folders


def write_davis(root: Path, frames: tuple[int, ...] = (6, 5)) -> Path:
    """Sequences a, b, ... of two objects (1 and 3) that move apart, and a stripe of void."""
    names = [chr(ord("a") + i) for i in range(len(frames))]
    for year in ("2016", "2017"):
        folder = root / "ImageSets" / year
        folder.mkdir(parents=True)
        (folder / "train.txt").write_text("\n".join(names) + "\n")
    for number, (name, count) in enumerate(zip(names, frames, strict=True)):
        images = root / "JPEGImages" / "480p" / name
        images.mkdir(parents=True)
        for t in range(count):
            labels = box(10, 10 + 2 * t, 20, 20, 1) + box(36, 50 + 3 * t, 20, 24, 3)
            labels[0] = 255
            pixels = picture(100 + number) // 2
            pixels = np.where(labels[..., None] > 0, 255 - picture(200 + number) // 4, pixels)
            Image.fromarray(pixels.astype(np.uint8)).save(images / f"{t:05d}.jpg", quality=95)
            write_mask(root / "Annotations" / "480p" / name / f"{t:05d}.png", labels)
    return root


def first_of(batch: Sample) -> Sample:
    """The first sample of a batch."""
    return Sample(*(tensor[0] for tensor in batch))


def read_job(root: Path) -> TrainingJob:
    """The last of the trainings that `write_jobs` has written there."""
    return TrainingJob.model_validate_json((root / "job.json").read_text())


def write_jobs(
    root: Path,
    stages: tuple[Pretrain | Finetune, ...],
    reference: str = "first",
    compute: dict[str, Any] | None = None,
    **machine: Any,
) -> list[TrainingJob]:
    """Trainings of those stages, one after the other, on tiny data; the last one in job.json."""
    if not (root / "davis").exists():
        write_davis(root / "davis")
        write_stills(root / "stills")
    stills = Stills(images=root / "stills/images", masks=root / "stills/masks")
    network = {"backbone": "resnet10", "width": 4, "decoder_width": 4, "reference": reference}
    jobs: list[TrainingJob] = []
    for settings in stages:
        stage = "pretrain" if isinstance(settings, Pretrain) else "finetune"
        identity = digest_of([stage, settings.model_dump(mode="json"), compute, reference])[:12]
        jobs.append(
            TrainingJob(
                identity=identity,
                seed=0,
                network=Network.model_validate(network),
                settings=settings,
                compute=Compute.model_validate(compute or {}),
                machine=Machine.model_validate(
                    {"device": "cpu", "checkpoint_seconds": 0, **machine}
                ),
                data=DataRoots(davis=root / "davis", stills=(stills,)),
                parent=jobs[-1].weights if jobs else None,
                folder=root / f"study/weights/{stage}/full-seed0-{identity}",
            )
        )
    (root / "job.json").write_text(jobs[-1].model_dump_json())
    return jobs


def network(reference: str = "first") -> RGMP:
    """A narrow network with the same weights each time."""
    torch.manual_seed(0)
    settings = {"backbone": "resnet10", "width": 4, "decoder_width": 4, "reference": reference}
    return RGMP(Network.model_validate(settings)).train()


def clip(frames: int = 4, batch: int = 2) -> Sample:
    """Noise in which a box moves."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand((batch, frames, 3, HEIGHT, WIDTH), generator=generator) / 2
    masks = torch.zeros((batch, frames, HEIGHT, WIDTH), dtype=torch.uint8)
    for t in range(frames):
        masks[:, t, 20:44, 20 + 4 * t : 60 + 4 * t] = 1
    return Sample(pixels + masks[:, :, None] / 2, masks, masks[:, 0].float())
