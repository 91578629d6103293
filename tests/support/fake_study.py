"""A results tree as a finished study leaves it, drawn from a seed: no training, no network.

The figures are plausible, not real: each variant has a level and a drift over the course of a
sequence, each object a difficulty, each seed a little luck.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rgmp import facts
from rgmp.config.base import RESOLUTION, Benchmark
from rgmp.config.method import Finetune, Inference, Pretrain
from rgmp.config.study import Evaluation, Expectation, Machine, Speed
from rgmp.data.attributes import FILE
from rgmp.evaluation.job import BOUNDS
from rgmp.evaluation.measures import Score
from rgmp.evaluation.score_table import read_scores, table_of, write_scores
from rgmp.runtime.files import digest_of
from rgmp.runtime.tidy import as_csv
from rgmp.study import layout
from rgmp.study.plan import Inferred, Plan, load_plan, save
from rgmp.study.planned import DataPaths, PlannedExternal, PlannedVariant, Run, Training
from support.fake_files import random_of, write, write_record
from support.fake_pictures import SEQUENCES, object_count, write_masks
from support.fake_speed import write_speed

VARIANTS = {  # name: (label, claim, level of J, drift of J over a sequence)
    "full": ("RGMP", "The whole method.", 0.78, 0.05),
    "no_bptt": ("without BPTT", "Training over several frames stops errors adding up.", 0.75, 0.22),
    "no_reference": ("without reference", "The reference finds the object again.", 0.62, 0.30),
    "no_synthetic": ("without stage 1", "Synthetic pairs make up for few videos.", 0.66, 0.10),
    "winner_take_all": ("winner takes all", "Soft aggregation keeps the doubt.", 0.775, 0.07),
    "independent": ("independent objects", "Objects should compete for a pixel.", 0.76, 0.08),
    "one_scale": ("one scale", "Averaging three scales helps a little.", 0.77, 0.06),
    "no_guidance": ("without previous mask", "The previous mask says where to look.", 0.55, 0.15),
    "small_kernel_3x3": ("3x3 instead of global convolution", "A wide view matters.", 0.74, 0.07),
    "frozen_encoder": ("encoder of 100% ImageNet & frozen", "Fine-tuning helps.", 0.70, 0.08),
}
INFERENCE = {
    "winner_take_all": Inference(aggregation="winner_take_all"),
    "independent": Inference(aggregation="independent"),
    "one_scale": Inference(scales=(1.0,)),
}
_WORSE = Expectation(difference="worse", because="The argument says so.")
EXPECTS = {
    "no_bptt": {"overall": _WORSE, "occlusion": _WORSE},
    "no_reference": {"overall": _WORSE, "fast": _WORSE},
    "winner_take_all": {"overall": _WORSE, "crossing": _WORSE},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "no_reference": {"reference": "none"},
    "no_guidance": {"previous_mask": False},
    "small_kernel_3x3": {"decoder_width": 128},
}
SETTINGS = {
    "pretrain": Pretrain(steps=400, batch=8, learning_rate=1e-4, crop=(64, 96)),
    "finetune": Finetune(steps=400, batch=8, learning_rate=1e-4, crop=(64, 96), frames=(3, 5)),
}
LEVELS_OF_BOUNDS = {"floor": (0.3, 0.2), "ceiling": (0.96, 0.0)}  # level, drift
EXTERNAL = {"painter": (0.71, 0.09), "reporter": (0.80, 0.04)}  # level, drift
ATTRIBUTES = (
    ("occlusion", "occlusion"),
    ("crossing", "occlusion"),
    ("fast-motion", "fast"),
    ("crossing", "crossing"),
)


def build(
    folder: Path,
    *,
    variants: int = 5,
    benchmarks: tuple[Benchmark, ...] = ("davis2016", "davis2017"),
    seeds: tuple[int, ...] = (0, 1),
    complete: bool = False,
    frames: int = 20,
    external: bool = False,
    keep_last: int = 1,
) -> Path:
    """Make a study's folder with `variants` variants and return it.

    `keep_last` checkpoints of every training run of stage 2 are scored.

    `external` adds what was not trained here: `painter`, by masks for the first benchmark, and
    `reporter`, by scores for every one, of whose speed something is known.

    `complete` makes it look like a study of the whole of DAVIS val, without frames and masks; else
    it is one of the embedded benchmark, with them.

    More variants than have a name here are numbered, and about as good as those.
    """
    _add_variants(variants)
    names = list(VARIANTS)[:variants]
    plan = _plan(folder, names, benchmarks, seeds, complete)
    if external:
        plan = plan.model_copy(update={"external": _external(folder, benchmarks)})
    plan = plan.model_copy(update={"trainings": _keeping(plan.trainings, keep_last)})
    save(plan, folder)
    if not complete:
        lines = ["sequence,attribute", *(",".join(pair) for pair in ATTRIBUTES)]
        write(plan.data.described("davis2017").root / FILE, "\n".join(lines) + "\n")
    for training in plan.trainings:
        _write_training(folder, training)
    for inferred in plan.inferences.values():
        _write_run(folder, plan, inferred, frames)
    for benchmark in benchmarks:
        write_speed(folder, plan, benchmark, dict(_objects(benchmark, complete)))
        _write_bounds(folder, plan, benchmark, frames)
    write_record(folder, "cross-check", layout.CROSS_CHECK, None, None)
    for method in plan.external:
        for benchmark in method.benchmarks:
            _write_external(folder, plan, method.name, benchmark, frames)
    return folder


def share_single_objects(folder: Path) -> None:
    """Give both benchmarks of a fake study the same scores where a sequence has one object.

    So it is where masks are scored that were made once. The sequences with one object are then
    those of its `occlusion`, the others of `fast`.
    """
    alone = [sequence for sequence in SEQUENCES if object_count(sequence) == 1]
    for path in (folder / "scores/davis2016").rglob("*.csv"):
        name = path.relative_to(folder / "scores/davis2016")
        ours = read_scores(path, "snakemake")
        theirs = read_scores(folder / "scores/davis2017" / name, "snakemake")
        theirs = theirs[theirs["sequence"].isin(alone)].assign(benchmark="davis2016")
        kept = ours[~ours["sequence"].isin(alone)]
        write_scores(path, pd.concat([kept, theirs], ignore_index=True))
    pairs = ((one, "occlusion" if one in alone else "fast") for one in SEQUENCES)
    lines = ["sequence,attribute", *(",".join(pair) for pair in pairs)]
    write(load_plan(folder).data.described("davis2017").root / FILE, "\n".join(lines) + "\n")


def _add_variants(count: int) -> None:
    """Number variants until there are so many."""
    known = tuple(VARIANTS.values())
    for number in range(len(known), count):
        _, claim, level, drift = known[number % len(known)]
        VARIANTS[f"variant_{number:03}"] = f"variant {number}", claim, level, drift


def _keeping(trainings: tuple[Training, ...], keep_last: int) -> tuple[Training, ...]:
    return tuple(
        training.model_copy(
            update={"settings": training.settings.model_copy(update={"keep_last": keep_last})}
        )
        if training.stage == "finetune"
        else training
        for training in trainings
    )


def _write_run(folder: Path, plan: Plan, inferred: Inferred, frames: int) -> None:
    """What segmenting and scoring with some weights leaves; the masks if they are pictured."""
    benchmark, variant, seed = inferred.benchmark, inferred.variant.name, inferred.run.seed
    objects = _objects(benchmark, plan.complete)
    scored = (benchmark, variant, seed, objects, frames, inferred.step)
    run = layout.run(benchmark, variant, seed, inferred.step)
    write(folder / layout.scores(run), _score_table(*scored))
    masks = f"masks/{variant}-seed{seed}/{{}}-{benchmark}"  # {}: the sequence
    folders = {sequence: masks.format(sequence) for sequence, _ in objects}
    if not plan.complete and seed == plan.seeds[0] and not inferred.step:
        davis = plan.data.described(benchmark).root
        write_masks(folder / masks, davis, benchmark, _scores(*scored))
    write_record(folder, "infer", f"masks/{run}", variant, seed, benchmark=benchmark, masks=folders)
    engine = {"engine": "builtin"}
    write_record(
        folder,
        "score",
        f"scores/{run}",
        variant,
        seed,
        benchmark=benchmark,
        config=engine,
        made={"scores": layout.scores(run)},
    )


def _external(folder: Path, benchmarks: tuple[Benchmark, ...]) -> tuple[PlannedExternal, ...]:
    first = benchmarks[0]
    return (
        PlannedExternal(
            name="painter",
            label="Painter (masks)",
            masks={first: folder / "masks" / "painter"},
            digests={first: "e" * 64},
        ),
        PlannedExternal(
            name="reporter",
            label="Reporter",
            scores=dict.fromkeys(benchmarks, Path("given/reporter.csv")),
            seconds_per_frame={first: 0.5},
            digests=dict.fromkeys(benchmarks, "f" * 64),
        ),
    )


def _write_external(folder: Path, plan: Plan, name: str, benchmark: Benchmark, frames: int) -> None:
    """Scores without a seed, a record that says where they come from, and the painter's masks."""
    rows = _scores(benchmark, name, 0, _objects(benchmark, plan.complete), frames)
    path = f"scores/{benchmark}/{name}/external"
    write(folder / f"{path}.csv", as_csv(table_of(row._replace(seed=None) for row in rows)))
    config = {"engine": "builtin"} if name == "painter" else {"scores": "given/reporter.csv"}
    made = {"scores": f"{path}.csv"}
    write_record(folder, "score", path, name, None, benchmark=benchmark, config=config, made=made)
    if name == "painter" and not plan.complete:
        write_masks(
            folder / "masks/painter/{}", plan.data.described(benchmark).root, benchmark, rows
        )


def _write_bounds(folder: Path, plan: Plan, benchmark: Benchmark, frames: int) -> None:
    """The floor and the ceiling of a benchmark."""
    objects = _objects(benchmark, plan.complete)
    rows = [row for bound in BOUNDS for row in _scores(benchmark, bound, 0, objects, frames)]
    path = f"scores/{benchmark}/bounds"
    write(folder / f"{path}.csv", as_csv(table_of(row._replace(seed=None) for row in rows)))
    made = {"scores": f"{path}.csv"}
    write_record(folder, "bounds", path, None, None, benchmark=benchmark, made=made)


Objects = tuple[tuple[str, int], ...]


@cache
def _objects(benchmark: str, complete: bool) -> Objects:
    """The objects of a benchmark: those of DAVIS val, or one to three in each toy sequence."""
    if complete:
        known = facts.read("official_rgmp_scores.csv")
        return tuple(
            (f["sequence"], int(f["object"])) for f in known if f["benchmark"] == benchmark
        )
    counts = {s: 1 if benchmark == "davis2016" else object_count(s) for s in SEQUENCES}
    return tuple((sequence, n) for sequence, count in counts.items() for n in range(1, count + 1))


def _plan(
    folder: Path,
    names: list[str],
    benchmarks: tuple[Benchmark, ...],
    seeds: tuple[int, ...],
    complete: bool,
) -> Plan:
    trainings: dict[str, Training] = {}
    planned = []
    for name in names:
        runs = tuple(_run(name, seed, trainings) for seed in seeds)
        label, claim, *_ = VARIANTS[name]
        planned.append(
            PlannedVariant(
                name=name,
                label=label,
                claim=claim,
                expects=EXPECTS.get(name, {}),
                inference=INFERENCE.get(name, Inference()),
                threads=2,
                runs=runs,
            )
        )
    return Plan(
        study="davis" if complete else "mini",
        title="RGMP on DAVIS" if complete else "RGMP on the embedded benchmark",
        file="workflow/config/mini.yaml",
        embedded=not complete,
        complete=complete,
        data=DataPaths(
            davis=folder / "data" / "davis",
            stills=(),
            resolution=RESOLUTION,
            digests={
                part: digest_of(part)
                for part in ("stills", "davis2017/train", *(f"{b}/val" for b in benchmarks))
            },
            mini_seed=None,
        ),
        initial_weights=(),
        networks=(),
        benchmarks=benchmarks,
        split="val",
        evaluation=Evaluation(),
        external=(),
        seeds=seeds,
        margin=3.0,
        attributes=(),
        machine=Machine(),
        speed=Speed(),
        variants=tuple(planned),
        trainings=tuple(trainings.values()),
    )


def _run(variant: str, seed: int, trainings: dict[str, Training]) -> Run:
    """Stage 1 is shared by all that keep the reference; winner_take_all trains nothing itself."""
    trained = "full" if variant in {"winner_take_all", "independent", "one_scale"} else variant
    first = "no_reference" if variant == "no_reference" else "full"
    stages = [("pretrain", first), ("finetune", trained)]
    identities: list[str] = []
    for stage, owner in stages[1:] if variant == "no_synthetic" else stages:
        identity = digest_of([stage, owner, seed])[:12]
        slug = f"{owner}-seed{seed}"
        earlier = trainings[identity].variants if identity in trainings else ()
        trainings[identity] = Training.model_validate(
            {
                "identity": identity,
                "stage": stage,
                "slug": slug,
                "seed": seed,
                "parent": identities[-1] if identities else None,
                "data": "d" * 64,
                "folder": f"weights/{stage}/{slug}-{identity}",
                "variants": (*earlier, variant),
                "network": NETWORKS.get(owner, {}),
                "settings": SETTINGS[stage],
                "compute": {},
            }
        )
        identities.append(identity)
    weights = Path(trainings[identities[-1]].folder) / "weights.safetensors"
    return Run(
        seed=seed,
        trainings=tuple(identities),
        weights=weights,
        weights_digest=identities[-1],
    )


def _write_training(folder: Path, training: Training) -> None:
    random = random_of(training.identity)
    level = VARIANTS[training.variants[0]][2]
    lines = []
    for step in range(0, 401, 20):
        progress = 1 - np.exp(-step / 120)
        loss = 0.7 - 0.55 * progress * level + random.normal(0, 0.015)
        lines.append(
            {
                "step": step,
                "loss": loss,
                "J": level * progress + random.normal(0, 0.015),
                "learning_rate": 1e-4,
                "samples_per_second": 31.2,
                "seconds": step * 0.3,
            }
        )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write(folder / training.folder / "metrics.jsonl", text)
    write_record(
        folder,
        "train",
        training.folder,
        training.variants[0],
        training.seed,
        stage=training.stage,
        identity=training.identity,
        results={
            "steps": 400,
            "samples": 3200,
            "final_loss": lines[-1]["loss"],
            "seconds": 123.4,
        },
    )


@cache
def _score_table(*scored: Any) -> str:
    """`_scores` as CSV: many tests have studies with the same."""
    return as_csv(table_of(_scores(*scored)))


@cache
def _scores(
    benchmark: str,
    variant: str,
    seed: int,
    objects: Objects,
    frames: int,
    step: int | None = None,
) -> tuple[Score, ...]:
    """J and F of frames 1 to `frames` - 2 of every object."""
    named, combines = variant, INFERENCE.get(variant, Inference()).aggregation != "softmax"
    if combines and benchmark == "davis2016":
        variant = "full"  # one object: nothing to combine
    level, drift = (EXTERNAL | LEVELS_OF_BOUNDS).get(variant) or VARIANTS[variant][2:]
    time = np.linspace(0, 1, frames - 2)
    rows: list[Score] = []
    for sequence, number in objects:
        difficulty = random_of(benchmark, sequence, number).normal(0, 0.12)
        of_step = (step,) if step else ()
        random = random_of(benchmark, variant, seed, sequence, number, *of_step)
        noise = np.cumsum(random.normal(0, 0.015, len(time)))
        mean = level + 0.08 - difficulty + random.normal(0, 0.015)
        j = np.clip(mean - drift * time + noise, 0, 1)
        f = np.clip(j + random.normal(0.02, 0.02, len(time)), 0, 1)
        rows += [
            Score(benchmark, named, seed, sequence, number, f"{frame:05d}", *map(float, values))
            for frame, values in enumerate(zip(j, f, strict=True), start=1)
        ]
    return tuple(rows)
