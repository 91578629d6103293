"""Training jobs of both stages of the paper's study, on made data at its sizes."""

from rgmp.config.base import Stage
from rgmp.config.method import Compute, Finetune, Pretrain
from rgmp.config.study import Machine
from rgmp.data.roots import DataRoots
from rgmp.runtime import cores
from rgmp.runtime.files import atomic_folder
from rgmp.runtime.precisions import Precision
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.loading_processes import affordable_workers
from rgmp.selftest.made_data import stills_in, write_stills, write_videos
from rgmp.selftest.papers_study import Trained
from rgmp.selftest.workload import Workload
from rgmp.training.job import TrainingJob

_STILL = 375, 500
"""Height and width of a still, as of most of Pascal VOC."""
_FRAMES_OF_A_VIDEO = 40
_CACHED_MEGABYTES = 16
"""Few: of a set as large as DAVIS hardly a frame is in the cache, and the made one is small."""
_CORES_LEFT = 2
"""Cores without a loading process: for the training itself."""


def jobs_of(bench: Bench, work: Workload, trained: Trained) -> dict[Stage, TrainingJob]:
    """A training job of each stage, the longer one first, on made data that are written once."""
    root = bench.work / "training"
    if not root.is_dir():
        with atomic_folder(root) as folder:
            write_videos(folder / "davis", work.videos, _FRAMES_OF_A_VIDEO, work.size, 2)
            write_stills(folder / "stills", work.stills, _STILL)
    first, second = workload.training_of(trained.full, work)
    settings: dict[Stage, Pretrain | Finetune] = {"finetune": second, "pretrain": first}
    return {
        stage: TrainingJob(
            identity="selftest",
            seed=bench.seed,
            network=work.network,
            settings=each,
            machine=Machine(
                workers=affordable_workers(each, cores.usable_cores() - _CORES_LEFT),
                decoded_megabytes=_CACHED_MEGABYTES,
            ),
            data=DataRoots(davis=root / "davis", stills=(stills_in(root / "stills"),)),
            folder=bench.work / f"trained-{stage}",
        )
        for stage, each in settings.items()
    }


def in_precision(job: TrainingJob, precision: Precision) -> TrainingJob:
    """The same in another precision; tf32 is fp32 within `rgmp.runtime.precision.rounding`."""
    settled = "bf16" if precision == "bf16" else "fp32"
    return job.model_copy(update={"compute": Compute(precision=settled)})
