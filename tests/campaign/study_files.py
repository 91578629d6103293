"""Studies and variants whose keys hold what they must not, from the models themselves; and YAML."""

import copy
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from support import tiny_study

from campaign.case import Case, Expected
from campaign.schema import Probe, Prober, put
from campaign.workspace import PLANNED, VARIANTS, write_yaml
from rgmp.config.method import Method
from rgmp.config.study import Study, Variant

PLAN = ("plan", "tiny.yaml")
EXTERNAL = {"name": "others", "label": "Others", "masks": {"davis2016": "masks"}}
SUBMISSION = {"davis": "davis", "split": "val"}
HANGS_ON_THE_MACHINE = ("evaluation",)
"""Keys whose choices may need what is not installed here."""
ONLY_WITH_OTHERS = (
    *("stages", "mini", "seeds", "benchmarks", "accumulate", "processes"),
    *("keep_last", "save_interval"),
)
"""Keys whose edge is a fault beside the rest of this study."""


def study_cases(rng: random.Random) -> Iterator[Case]:
    """Every key of a study."""
    prober = Prober(Study)
    for probe in prober.faults(rng, each=1):
        yield _case("study keys", probe, Expected.REFUSED, _write_study)
    for probe in prober.edges():
        if not {*ONLY_WITH_OTHERS, *HANGS_ON_THE_MACHINE} & {*probe.path}:
            yield _case("study keys", probe, Expected.ACCEPTED, _write_study)
    for probe in _by_hand():
        yield _case("study keys", probe, Expected.REFUSED, _write_study, says="")
    for probe in _true_for_a_number(Study):
        yield _case("study keys", probe, Expected.REFUSED, _write_study)


def variant_cases(rng: random.Random) -> Iterator[Case]:
    """Every key of a variant, and of the method that it overrides; a part of those."""
    for probe in Prober(Variant).faults(rng, each=2):
        yield _case("variant keys", probe, Expected.REFUSED, _write_variant)
    for probe in rng.sample(list(_overriding(Prober(Method).faults(rng, each=1))), 40):
        yield _case("variant keys", probe, Expected.REFUSED, _write_variant)
    for probe in rng.sample(list(_overriding(Prober(Method).edges())), 12):
        if not {*ONLY_WITH_OTHERS} & {*probe.path}:
            yield _case("variant keys", probe, Expected.ACCEPTED, _write_variant)
    text = "no such text"
    by_hand = [
        Probe(("overrides",), "hold a study's key", {"seeds": [1]}),
        Probe(("overrides",), "hold an unknown key", {"surplus": 1}),
        Probe(("overrides",), "hold a number for a key", {1: 2}),
        Probe(("overrides", "stages"), "are empty without weights", []),
        Probe(("overrides", "stages"), "are in the wrong order", ["finetune", "pretrain"]),
        Probe(("overrides", "stages"), "hold one twice", ["pretrain", "pretrain"]),
        Probe(("overrides", "weights"), "are beside stages", "weights.safetensors"),
        Probe(("label",), "has a line break", f"{text}\n{text}"),
        Probe(("label",), "has an escape", f"\x1b[31m{text}"),
        Probe(("label",), "is of spaces", "   "),
    ]
    for probe in by_hand:
        yield _case("variant keys", probe, Expected.REFUSED, _write_variant, says="")
    released = {"weights": "weights.safetensors", "stages": []}
    probe = Probe(("overrides",), "are weights and no stages", released)
    yield _case("variant keys", probe, Expected.ACCEPTED, _write_variant)


def _by_hand() -> Iterator[Probe]:
    """What a schema does not say: validators' rules, and keys that must agree with others."""
    for stage, names in (
        ("pretrain", ("rotation", "guidance_rotation", "guidance_shear")),
        ("finetune", ("shear", "rotation")),
    ):
        for name in names:
            yield Probe((stage, name), "falls", [5, -5])
    for stage, name in (
        ("pretrain", "scale"),
        ("pretrain", "guidance_scale"),
        ("finetune", "zoom"),
    ):
        yield Probe((stage, name), "falls", [1.1, 0.9])
    yield Probe(("data",), "has two sources", {"davis": "davis", "mini": {"seed": 0}})
    yield Probe(("data",), "has none", {"resolution": "480p"})
    yield Probe(("data",), "has stills of its own", {"mini": {"seed": 0}, "stills": [{}]})
    yield Probe(("data", "stills"), "has no stills", [])
    yield Probe(("data", "mini"), "has a seed below 0", {"seed": -1})
    for name, twice in (("seeds", [0, 0]), ("benchmarks", ["davis2017", "davis2017"])):
        yield Probe((name,), "holds one twice", twice)
    yield Probe(("stages",), "is empty", [])
    yield Probe(("weights",), "is beside stages", "weights.safetensors")
    yield Probe(("machine", "processes"), "does not divide the batch", 3)
    yield Probe(("variants",), "names none that is there", ["absent"])
    yield Probe(("variants",), "names a path", ["../ablations/hard"])
    yield Probe(("split",), "is not there", "test-dev")
    yield Probe(("split",), "is a path", "../2017/val")
    yield Probe(("split",), "is empty", "")
    yield Probe(("split",), "has NUL", "val\0")
    yield Probe(("data", "resolution"), "is not there", "1080p")
    yield Probe(("data", "resolution"), "has NUL", "480p\0")
    yield Probe(("title",), "has a line break", "a\nb")
    yield Probe(("title",), "has an escape", "\x1b]0;owned\x07")
    yield Probe(("external",), "has one name twice", [EXTERNAL, EXTERNAL])
    for what, spoilt in (
        ("has a split that is not there", {"split": "test-dev"}),
        ("has a root that is not there", {"davis": "absent"}),
        ("has a variant that is not there", {"variants": ["absent"]}),
        ("has no variant", {"variants": []}),
        ("has a variant twice", {"variants": ["full", "full"]}),
    ):
        yield Probe(("submission",), what, {**SUBMISSION, **spoilt})
    for what, change in (
        ("has the name of a variant", {"name": "hard"}),
        ("has neither masks nor scores", {"masks": {}}),
        ("has masks and scores", {"scores": {"davis2016": "scores.csv"}}),
        ("has masks that are not there", {"masks": {"davis2016": "absent"}}),
        ("has seconds of another benchmark", {"seconds_per_frame": {"davis2017": 1}}),
        ("has no seconds", {"seconds_per_frame": {"davis2016": 0}}),
        ("has a line break in its label", {"label": "a\nb"}),
    ):
        yield Probe(("external",), what, [{**EXTERNAL, **change}])


def _true_for_a_number(model: type[Study]) -> Iterator[Probe]:
    """`yes` is no number; one key of each model."""
    seen = set()
    for probe in Prober(model).edges():
        if probe.what == "is its minimum" and probe.path[:-1] not in seen:
            seen.add(probe.path[:-1])
            if "external" not in probe.path:
                yield Probe(probe.path, "is true for a number", True)


def _overriding(probes: Iterator[Probe]) -> Iterator[Probe]:
    """The same of a method's keys in a variant, where nothing is missing: the study has it."""
    for probe in probes:
        if len(probe.path) > 1 and probe.what != "is missing":
            yield Probe(("overrides", *probe.path), probe.what, probe.value)


def _case(
    family: str, probe: Probe, expected: Expected, write: Any, says: str | None = None
) -> Case:
    key = ".".join(map(str, probe.path))
    named = next((str(part) for part in reversed(probe.path) if isinstance(part, str)), "")
    return Case(
        family=family,
        name=f"{key} {probe.what}",
        arguments=PLAN,
        expected=expected,
        prepare=partial(write, probe),
        says=(named if len(str(probe.value)) < 1000 else "") if says is None else says,
        makes=PLANNED if expected is Expected.ACCEPTED else (),
    )


def _write_study(probe: Probe, work: Path) -> None:
    study: dict[str, Any] = copy.deepcopy(tiny_study.STUDY)
    if probe.path[:2] == ("external", 0):
        study["external"] = [copy.deepcopy(EXTERNAL)]
    if probe.path[:1] == ("submission",) and len(probe.path) > 1:
        study["submission"] = copy.deepcopy(SUBMISSION)
    if probe.path[:2] == ("data", "mini") and len(probe.path) > 2:
        study["data"] = {"mini": {"seed": 0}}
    put(study, probe)
    write_yaml(work / "tiny.yaml", study)


def _write_variant(probe: Probe, work: Path) -> None:
    variant = copy.deepcopy(VARIANTS["hard"])
    put(variant, probe)
    write_yaml(work / "ablations/hard.yaml", variant)
