"""The description of an evaluation: what follows from one set of weights."""

from pydantic import Field

from rgmp.config.base import Closed
from rgmp.evaluation.job import ScoringJob
from rgmp.inference.job import InferenceJob
from rgmp.runtime.files import digest_of


class EvaluationJob(Closed):
    """The masks of every benchmark and variant that has the same weights, and their scores.

    Weights, device, threads and the folder of the masks are the same for all.

    Attributes:
        runs: what is segmented in each of them, and how its masks are scored.
        unscored: what is segmented for a server that alone can score it.
    """

    runs: tuple[tuple[InferenceJob, ScoringJob], ...] = Field(min_length=1)
    unscored: tuple[InferenceJob, ...] = ()

    @property
    def digest(self) -> str:
        """A digest of everything that can change a result; the paths of files cannot."""
        scored = [(inference.digest, scoring.digest) for inference, scoring in self.runs]
        return digest_of([*scored, *(inference.digest for inference in self.unscored)])
