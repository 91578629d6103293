"""The paper's study as it is configured: what it trains, and how often."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from rgmp.config.base import Stage
from rgmp.config.load import load_study, load_variants
from rgmp.config.method import Method
from rgmp.provenance.code import checkout
from rgmp.runtime.files import digest_of

PROJECT = checkout()
PAPERS_STUDY = PROJECT / "workflow/config/davis.yaml"


class Trained(NamedTuple):
    """What a study trains.

    Attributes:
        full: the method that the others vary.
        runs: training runs of each stage, each counted once however many variants share it.
    """

    full: Method
    runs: Counter[Stage]


def load(study_file: Path = PAPERS_STUDY) -> Trained:
    """Read a study, of which no data need be here.

    Raises:
        UserError: it cannot be read, as where `rgmp` is installed without its project.
    """
    study = load_study(study_file)
    variants = load_variants(study, study_file, PROJECT / "ablations")
    distinct: set[tuple[Stage, str]] = set()
    for _, method in variants.values():
        distinct |= set(_runs(method))
    runs = Counter(stage for stage, _ in distinct)
    return Trained(
        variants["full"][1], Counter({stage: n * len(study.seeds) for stage, n in runs.items()})
    )


def _runs(method: Method) -> list[tuple[Stage, str]]:
    """The stages of a method, each with a digest of all that decides its weights but the seed."""
    found: list[tuple[Stage, str]] = []
    parent = ""
    for stage in method.stages:
        network = method.network_of(stage).architecture
        settings, compute = method.settings_of(stage).decisive, method.compute.model_dump()
        parent = digest_of([stage, network, settings, compute, parent])
        found.append((stage, parent))
    return found
