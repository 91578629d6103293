"""A results tree as a finished study leaves it, drawn from a seed: no training, no network.

The figures are plausible, not real: each variant has a level and a drift over the course of a
sequence, each object a difficulty, each seed a little luck.
"""

import json
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rgmp import facts
from rgmp.config.base import RESOLUTION, Benchmark
from rgmp.config.method import Inference, Network
from rgmp.config.study import Evaluation, Expectation, Machine, Speed
from rgmp.data.attributes import FILE
from rgmp.data.davis import PALETTE
from rgmp.data.images import Labels
from rgmp.evaluation.measures import Score
from rgmp.evaluation.score_table import table_of, write_scores
from rgmp.runtime.files import digest_of
from rgmp.study.plan import DataPaths, Plan, PlannedExternal, PlannedVariant, Run, Training, save
from rgmp.study.timing import computations

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
EXTERNAL = {"painter": (0.71, 0.09), "reporter": (0.80, 0.04)}  # level, drift
SEQUENCES = ("occlusion", "fast-motion", "scale-change", "look-alikes", "crossing", "appearance")
ATTRIBUTES = (
    ("occlusion", "occlusion"),
    ("crossing", "occlusion"),
    ("fast-motion", "fast"),
    ("crossing", "crossing"),
)
SIZE = (96, 160)
SOURCES, COMMIT = "5" * 64, "c0ffee1234567890c0ffee1234567890c0ffee12"


def build(
    folder: Path,
    *,
    variants: int = 5,
    benchmarks: tuple[Benchmark, ...] = ("davis2016", "davis2017"),
    seeds: tuple[int, ...] = (0, 1),
    complete: bool = False,
    frames: int = 20,
    external: bool = False,
) -> Path:
    """Make a study's folder with `variants` variants and return it.

    `external` adds what was not trained here: `painter`, by masks for the first benchmark, and
    `reporter`, by scores for every one, of whose speed something is known.

    `complete` makes it look like a study of the whole of DAVIS val, without frames and masks; else
    it is one of the embedded benchmark, with them.
    """
    names = list(VARIANTS)[:variants]
    plan = _plan(folder, names, benchmarks, seeds, complete)
    if external:
        plan = plan.model_copy(update={"external": _external(folder, benchmarks)})
    save(plan, folder)
    if not complete:
        lines = ["sequence,attribute", *(",".join(pair) for pair in ATTRIBUTES)]
        _write(plan.data.davis / FILE, "\n".join(lines) + "\n")
    for training in plan.trainings:
        _write_training(folder, training)
    for benchmark, name in product(benchmarks, names):
        objects = _objects(benchmark, complete)
        for seed in seeds:
            scores = _scores(benchmark, name, seed, objects, frames)
            write_scores(folder / f"scores/{benchmark}/{name}/seed{seed}.csv", table_of(scores))
            masks = f"masks/{name}-seed{seed}/{{}}-{benchmark}"  # {}: the sequence
            run = f"{benchmark}/{name}/seed{seed}"
            _write_record(
                folder,
                "infer",
                f"masks/{run}",
                name,
                seed,
                benchmark=benchmark,
                masks={sequence: masks.format(sequence) for sequence, _ in objects},
            )
            _write_record(
                folder,
                "score",
                f"scores/{run}",
                name,
                seed,
                benchmark=benchmark,
                config={"engine": "builtin"},
            )
            if not complete and seed == seeds[0]:  # pictures are of the first seed
                _write_masks(folder / masks, plan.data.davis, benchmark, scores)
    for benchmark in benchmarks:
        _write_speed(folder, plan, benchmark, dict(_objects(benchmark, complete)))
    for method in plan.external:
        for benchmark in method.benchmarks:
            _write_external(folder, plan, method.name, benchmark, frames)
    return folder


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
    write_scores(folder / f"{path}.csv", table_of(row._replace(seed=None) for row in rows))
    config = {"engine": "builtin"} if name == "painter" else {"scores": "given/reporter.csv"}
    _write_record(folder, "score", path, name, None, benchmark=benchmark, config=config)
    if name == "painter" and not plan.complete:
        _write_masks(folder / "masks/painter/{}", plan.data.davis, benchmark, rows)


def _objects(benchmark: str, complete: bool) -> list[tuple[str, int]]:
    """The objects of a benchmark: those of DAVIS val, or one to three in each toy sequence."""
    if complete:
        known = facts.read("official_rgmp_scores.csv")
        return [(f["sequence"], int(f["object"])) for f in known if f["benchmark"] == benchmark]
    counts = {s: 1 if benchmark == "davis2016" else _count(s) for s in SEQUENCES}
    return [(sequence, n) for sequence, count in counts.items() for n in range(1, count + 1)]


def _count(sequence: str) -> int:
    return 1 + SEQUENCES.index(sequence) % 3


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
                "settings": {
                    "network": {**Network().model_dump(), **NETWORKS.get(owner, {})},
                    stage: {"steps": 400, "batch": 8},
                },
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
    random = _random(training.identity)
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
    _write(folder / training.folder / "metrics.jsonl", text)
    _write_record(
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


def _scores(
    benchmark: str, variant: str, seed: int, objects: Iterable[tuple[str, int]], frames: int
) -> list[Score]:
    """J and F of frames 1 to `frames` - 2 of every object."""
    named, combines = variant, INFERENCE.get(variant, Inference()).aggregation != "softmax"
    if combines and benchmark == "davis2016":
        variant = "full"  # one object: nothing to combine
    level, drift = EXTERNAL.get(variant) or VARIANTS[variant][2:]
    time = np.linspace(0, 1, frames - 2)
    rows = []
    for sequence, number in objects:
        difficulty = _random(benchmark, sequence, number).normal(0, 0.12)
        random = _random(benchmark, variant, seed, sequence, number)
        noise = np.cumsum(random.normal(0, 0.015, len(time)))
        mean = level + 0.08 - difficulty + random.normal(0, 0.015)
        j = np.clip(mean - drift * time + noise, 0, 1)
        f = np.clip(j + random.normal(0.02, 0.02, len(time)), 0, 1)
        rows += [
            Score(benchmark, named, seed, sequence, number, f"{frame:05d}", *map(float, values))
            for frame, values in enumerate(zip(j, f, strict=True), start=1)
        ]
    return rows


def _write_speed(folder: Path, plan: Plan, benchmark: Benchmark, objects: dict[str, int]) -> None:
    """Every distinct computation in five rounds, the first of them once more."""
    groups = [*computations(plan, benchmark).items()]
    timed: list[dict[str, Any]] = [
        {"name": variants[0].name, "identity": identity, "again": again}
        | variants[0].inference.model_dump(mode="json")
        | _timing(benchmark, number, objects)
        for (identity, variants), number, again in [
            *((group, number, False) for number, group in enumerate(groups)),
            (groups[0], 0, True),
        ]
    ]
    for end in ("", "_low", "_high"):
        del timed[0]["summary"][f"ratio{end}"]
    value = {
        "benchmark": benchmark,
        "device": "Xeon",
        "threads": 2,
        "rounds": 5,
        "others_share": 0.01,
        "launchers_share": 0.0,
        "computations": timed,
    }
    _write(folder / f"speed/{benchmark}.json", json.dumps(value))
    _write_record(folder, "speed", f"speed/{benchmark}", None, 0, benchmark=benchmark)


def _timing(benchmark: Benchmark, number: int, objects: dict[str, int]) -> dict[str, Any]:
    """The clips and the summary of the computation of that number, each slower than the last."""
    slowness, random = 1 + 0.15 * number, _random("speed", benchmark, number)
    clips: list[dict[str, Any]] = []
    for sequence, count in list(objects.items())[:3]:
        seconds = slowness * 0.02 * (1 + count) * random.lognormal(0, 0.05, (5, 9))
        clips.append({"sequence": sequence, "objects": count, "network": seconds.tolist()})
    several = benchmark == "davis2017"
    fps = 21 / slowness
    summary = {
        **_ends("fps", fps),
        **_ends("ratio", 1 / slowness),
        **_ends("end_to_end_fps", 0.9 * fps),
        **(_ends("fixed_seconds", 0.02) | _ends("object_seconds", 0.02) if several else {}),
        "first_frame_seconds": 0.03,
        "authors_fps": 0.8 * fps,
        "authors_seconds_per_frame": 1.25 / fps,
        "flops_per_frame": 5e9,
        "matmul_flops_per_second": 1e12,
        "fraction_of_limit": 0.31 / slowness,
        "peak_memory_bytes": 512_000_000,
        "short_frames": 10,
        "short_bytes": 510_000_000,
        "long_frames": 40,
        "long_bytes": 510_500_000,
    }
    return {"clips": clips, "of_objects": {}, "summary": summary}


def _ends(name: str, value: float) -> dict[str, float]:
    """A measurement with an interval of 1 % to either side."""
    return {name: value, f"{name}_low": 0.99 * value, f"{name}_high": 1.01 * value}


def _write_record(
    folder: Path,
    kind: str,
    name: str,
    variant: str | None,
    seed: int | None,
    *,
    stage: str | None = None,
    benchmark: str | None = None,
    identity: str = "0" * 12,
    config: dict[str, Any] | None = None,
    results: dict[str, Any] | None = None,
    masks: dict[str, str] | None = None,
) -> None:
    record = {
        "kind": kind,
        "name": name,
        "study": folder.name,
        "variant": variant,
        "seed": seed,
        "stage": stage,
        "benchmark": benchmark,
        "identity": identity,
        "config": config or {},
        "inputs": {"data": digest_of([stage, benchmark])},
        "results": results or {},
        "outputs": {},
        "command": ["rgmp", kind],
        "code": {"commit": COMMIT, "dirty": False, "sources": SOURCES},
        "versions": {"rgmp": "0.1.0", "python": "3.11.2", "torch": "2.6.0"},
        "machine": {
            "system": "Linux",
            "cpu": "Xeon",
            "cores": 2,
            "memory_bytes": 8_000_000_000,
            "gpu": None,
            "driver": None,
        },
        "determinism": {"deterministic_algorithms": True},
        "started": "2026-05-04T03:02:01Z",
        "wall_seconds": 2.5,
        "peak_memory_bytes": 512_000_000,
        "peak_gpu_memory_bytes": None,
    }
    if masks:
        record["masks"] = masks
    _write(folder / "records" / f"{name}.json", json.dumps(record))


def _write_masks(masks: Path, davis: Path, benchmark: str, scores: list[Score]) -> None:
    """Frames and truth once, and masks that miss the truth by as much as their J says.

    `masks` is the folder of a sequence's, with {} for its name.
    """
    quality: dict[tuple[str, str], dict[int, float]] = {}
    for row in scores:
        quality.setdefault((row.sequence, row.frame), {})[row.object] = row.J
    for (sequence, frame), figures in quality.items():
        for number in {0, int(frame)}:
            _write_truth(davis, sequence, number)
        misses = {o: round(30 * (1 - j)) for o, j in figures.items()}
        labels = _labels(sequence, int(frame), misses)
        mask = Path(str(masks).format(sequence)) / f"{frame}.png"
        if benchmark == "davis2016":
            objects = range(1, _count(sequence) + 1)
            labels = _labels(sequence, int(frame), dict.fromkeys(objects, misses[1])).clip(max=1)
        _write_mask(mask, labels)


def _write_truth(davis: Path, sequence: str, frame: int) -> None:
    path = davis / "JPEGImages" / RESOLUTION / sequence / f"{frame:05d}.jpg"
    if path.is_file():
        return
    labels = _labels(sequence, frame, dict.fromkeys(range(1, _count(sequence) + 1), 0))
    y, x = np.indices(SIZE)
    ground = 110 + 40 * np.sin(x / 9) + 30 * np.cos(y / 7 + frame / 5)
    image = np.stack([ground, ground * 0.9, ground * 0.7], axis=-1)
    image[labels > 0] = image[labels > 0] * 0.4 + np.array([90, 60, 150])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.astype(np.uint8)).save(path)
    _write_mask(davis / "Annotations" / RESOLUTION / sequence / f"{frame:05d}.png", labels)


def _write_mask(path: Path, labels: Labels) -> None:
    image = Image.fromarray(labels)
    image.putpalette(PALETTE)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, compress_level=1)


def _write(path: Path, text: str) -> None:
    """Not `rgmp.runtime.files.write_text`: to flush thousands of small files takes many seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _labels(sequence: str, frame: int, misses: dict[int, int]) -> Labels:
    """Discs, one an object, that drift to the right; each displaced by some pixels."""
    y, x = np.indices(SIZE)
    labels = np.zeros(SIZE, dtype=np.uint8)
    for number, miss in misses.items():
        centre_y = 20 + 25 * (number - 1) + SEQUENCES.index(sequence)
        centre_x = 30 * number + 2 * frame + miss
        labels[(y - centre_y) ** 2 + ((x - centre_x) / 1.5) ** 2 < 15**2] = number
    return labels


def _random(*key: object) -> np.random.Generator:
    return np.random.default_rng(int(digest_of([str(part) for part in key])[:15], 16))
