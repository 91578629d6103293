"""Everything of a study that has the same weights: masks, scores, and the records of both."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from rgmp.data.annotations import annotation_of
from rgmp.data.digests import digest_of_masks
from rgmp.data.sequence import Sequence as Video
from rgmp.evaluation.job import ScoringJob
from rgmp.evaluation.official import Official
from rgmp.evaluation.recorded_scores import write_measured
from rgmp.evaluation.sequence_scores import scored, scoring_sources, truth_digest_of
from rgmp.inference.job import InferenceJob
from rgmp.inference.mask_folder import MaskFolder
from rgmp.model import weights
from rgmp.provenance import code
from rgmp.provenance.command import record_command
from rgmp.provenance.machine import processor_here
from rgmp.runtime import device, files, precision
from rgmp.runtime.digest_cache import Digests
from rgmp.runtime.progress import Progress


class Evaluation:
    """An evaluation at work, with the network loaded; the caller has its masks' folder alone.

    Args:
        study: the folder of the study.
        runs: what is segmented in each run, and how its masks are scored. Weights, device and the
            folder of the masks are the same for all.
        unscored: what is segmented beside them, and not scored.
        threads: CPU threads.
        digests: those of the study's data that are known.
    """

    def __init__(
        self,
        study: Path,
        runs: Sequence[tuple[InferenceJob, ScoringJob]],
        unscored: Sequence[InferenceJob],
        threads: int,
        digests: Digests,
    ) -> None:
        first, scoring = runs[0]
        network, metadata = weights.load(first.weights)
        chosen = device.choose(first.device, threads, first.jobs_per_gpu)
        self._study, self._runs, self._unscored = study, runs, unscored
        self._digest = cache(digests.of)
        self._truth_digest = cache(truth_digest_of)
        self._settled = cache(lambda asked: precision.choose(asked, chosen, training=False))
        self._weights = self._digest(first.weights)
        self._identity = metadata.get("identity")
        maker = {
            "weights": self._weights,
            "sources": code.sources_of("rgmp.inference.mask_folder", "rgmp.model.weights"),
            "processor": processor_here(device.gpu_name(chosen)),
        }
        self._masks = MaskFolder(first.masks, network, chosen, threads, maker, self._digest)
        self._engine = scoring.engine
        self._scoring_sources = scoring_sources(scoring.engine)

    def run(self) -> None:
        """Segment and score run after run; what already exists is kept."""
        with Official() if self._engine == "official" else nullcontext() as official:
            for inference, scoring in self._runs:
                sequences = inference.videos.open()
                places = self._segment(inference, sequences)
                self._score(scoring, sequences, places, official)
        for inference in self._unscored:
            self._segment(inference, inference.videos.open())

    def _segment(self, job: InferenceJob, sequences: list[Video]) -> dict[str, Path]:
        """Make the masks of a run that are not there yet, and write its record."""
        settled = self._settled(job.settings.precision)
        settings = job.settings.model_copy(update={"precision": settled})
        total = sum(len(s.frames) for s in sequences)
        benchmark = job.videos.benchmark
        with record_command(
            job.record,
            "infer",
            config=settings.model_dump(mode="json"),
            inputs={"weights": self._weights, "manifest": job.reads["data"]},
            **self._names(job),
        ) as record:
            progress = Progress(f"segment {benchmark}, {job.variant}", "frames", total)
            made = self._masks.segment(sequences, settings, progress.at)
            read = [path for s in sequences for path in s.as_given.files]
            record.inputs["data"] = files.digest_of_all(read, self._digest)
            record.outputs["masks"] = digest_of_masks(made.places, self._digest)
            record.results.update(frames=total, sequences=len(sequences), segmented=made.new)
            record.masks.update(
                {name: str(place.relative_to(self._study)) for name, place in made.places.items()}
            )
        print(f"{made.new} of {len(sequences)} sequences segmented", file=sys.stderr, flush=True)
        return made.places

    def _score(
        self,
        job: ScoringJob,
        sequences: list[Video],
        places: dict[str, Path],
        official: Official | None,
    ) -> None:
        """Score the masks of a run that are not scored yet, and write its table and record."""
        with record_command(
            job.record,
            "score",
            config={"engine": self._engine},
            inputs={
                "masks": digest_of_masks(places, self._digest),
                "manifest": job.reads["data"],
            },
            **self._names(job),
        ) as record:
            found = [
                scored(
                    sequence,
                    job.videos.benchmark,
                    places[sequence.name],
                    sources=self._scoring_sources,
                    variant=job.variant or "",
                    seed=job.seed,
                    official=official,
                    truth_digest=self._truth_digest,
                )
                for sequence in sequences
            ]
            read = [path for s in sequences for path in s.annotations]
            record.inputs["data"] = files.digest_of_all(read, self._digest)
            record.results["annotation"] = annotation_of(sequences)
            write_measured(job.out, [row for s in found for row in s.rows], record)
        new = sum(s.is_new for s in found)
        print(f"{new} of {len(sequences)} sequences scored", file=sys.stderr, flush=True)

    def _names(self, job: InferenceJob | ScoringJob) -> dict[str, Any]:
        """What the records say of whose masks and scores they are."""
        return {
            "variant": job.variant,
            "seed": job.seed,
            "benchmark": job.videos.benchmark,
            "identity": self._identity,
        }
