"""What stood before results were seen: seeds and margin of a study, claims of its variants.

Seeds that are added because the first tables were not as hoped make verdicts less than 5 % tests, a
margin that is chosen after a look at differences decides what was to be tested by it, and a claim
that is written after the run predicts nothing. So the folder of a study keeps

- `first/seeds-<identity>.json`: the seeds that were planned when its first tables were made;
- `first/margin-<identity>.json`: the margin of that time;
- `first/claims-<variant>-<identity>.json`: what a variant expected when it was first scored.

Each file is written once and is no output of a rule, since Snakemake removes those. The identity is
that of training with any seed (settings, data), for claims also that of inference: a study with
other settings in the same folder begins anew. How something is computed (threads, precision) and
which sequences are scored are no part of it: these do not make results unseen. Without a file
nothing is known, and nothing is marked.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from rgmp.config.load import require_shape
from rgmp.runtime.clock import utc_now
from rgmp.runtime.files import digest_of, read_json, write_json
from rgmp.study import layout
from rgmp.study.plan import Plan

Change = Literal["newer", "withdrawn"]
"""A claim that the run did not have yet, or not so; one that is no longer there."""


class _Seeds(TypedDict):
    since: str
    seeds: list[int]


class _Margin(TypedDict):
    since: str
    margin: float


class _Claims(TypedDict):
    since: str
    differences: dict[str, str]


_SEEDS = TypeAdapter(_Seeds)
_MARGIN = TypeAdapter(_Margin)
_CLAIMS = TypeAdapter(_Claims)


def remember_design(plan: Plan, folder: Path) -> None:
    """Keep the margin and the seeds of a study whose first tables are made.

    Seeds are those planned, scored yet or not. Where they are known, these are not the first
    tables, and a margin that was not kept then stays unknown.
    """
    seeds = _seeds_path(plan, folder)
    if not seeds.exists():
        _write_once(_margin_path(plan, folder), {"margin": plan.margin})
        _write_once(seeds, {"seeds": sorted(plan.seeds)})


def margin_before(plan: Plan, folder: Path) -> float | None:
    """The margin when a study's first tables were made, in points, if it is another now.

    Raises:
        UserError: the file that keeps it is broken.
    """
    known = _read(_margin_path(plan, folder), _MARGIN)
    if known is None or known["margin"] == plan.margin:
        return None
    return float(known["margin"])


def seeds_added(plan: Plan, folder: Path) -> frozenset[int]:
    """The seeds of a study that were not planned yet when its first tables were made.

    Raises:
        UserError: the file that keeps those is broken.
    """
    known = _read(_seeds_path(plan, folder), _SEEDS)
    return frozenset(plan.seeds).difference(known["seeds"]) if known else frozenset()


def remember_claims(plan: Plan, variant: str, folder: Path) -> None:
    """Keep what a variant expects that is scored for the first time."""
    _write_once(_claims_path(plan, variant, folder), {"differences": _differences(plan, variant)})


def changed_claims(plan: Plan, folder: Path) -> dict[tuple[str, str], Change]:
    """The claims that are not what they were when their variant was first scored.

    Other words for the same expectation are no change.

    Returns:
        What became of each, by variant and difficulty, or `overall`.

    Raises:
        UserError: a file that keeps what they were is broken.
    """
    found: dict[tuple[str, str], Change] = {}
    for variant in (planned.name for planned in plan.variants):
        known = _read(_claims_path(plan, variant, folder), _CLAIMS)
        if known is None:
            continue
        now, then = _differences(plan, variant), known["differences"]
        newer = [key for key in now if now[key] != then.get(key)]
        found |= {(variant, key): "newer" for key in newer}
        found |= {(variant, key): "withdrawn" for key in then if key not in now}
    return found


def _differences(plan: Plan, variant: str) -> dict[str, str]:
    expects = plan.variant(variant).expects
    return {difficulty: one.difference for difficulty, one in expects.items()}


def _seeds_path(plan: Plan, folder: Path) -> Path:
    return folder / layout.FIRST / f"seeds-{_identity(plan)}.json"


def _margin_path(plan: Plan, folder: Path) -> Path:
    return folder / layout.FIRST / f"margin-{_identity(plan)}.json"


def _identity(plan: Plan) -> str:
    return digest_of(_training(plan, "full"))[:12]


def _claims_path(plan: Plan, variant: str, folder: Path) -> Path:
    inference = plan.variant(variant).inference.model_dump(mode="json", exclude={"precision"})
    identity = digest_of([_training(plan, variant), inference])[:12]
    return folder / layout.FIRST / f"claims-{variant}-{identity}.json"


def _training(plan: Plan, variant: str) -> list[Any]:
    """What identifies the training of a variant, whatever the seed.

    Of initial weights neither path nor bytes: data that moved make nothing unseen.
    """
    run = plan.variant(variant).runs[0]
    if not run.trainings:
        return [run.weights_digest]
    return [
        [
            training.stage,
            training.network.architecture,
            training.settings.decisive,
            training.data,
        ]
        for training in map(plan.training, run.trainings)
    ]


def _write_once(path: Path, value: dict[str, Any]) -> None:
    if not path.exists():
        write_json(path, {"since": utc_now(), **value})


def _read(path: Path, shape: TypeAdapter[Any]) -> Any:
    """The content of a file; None without it."""
    if not path.exists():
        return None
    value = read_json(path)
    what_to_do = "restore it; if it is removed, what was added since is no longer marked"
    require_shape(shape, value, path, "what was known before a study's results", what_to_do)
    return value
