# The study that this run is about, and what the rules ask of its plan.

import sys
from pathlib import Path
from shlex import quote

import rgmp
from rgmp import figures, plan as planning, tables
from rgmp.errors import UserError

ENGINE_SOURCES = ("davis.py", "measures.py", "scoring.py")
TABLE_SOURCES = ("results.py", "statistics.py", "tables.py", "typesetting.py")
FIGURE_SOURCES = ("results.py", "statistics.py", "figures.py", "pictures.py")
FACTS = ("facts/published.csv", "facts/published_ablation.csv", "facts/official_rgmp_scores.csv")


def resolve_study():
    """The plan of the one study file given with --configfile; of the mini study without it."""
    given = [Path(path) for path in workflow.configfiles]
    if len(given) > 1 or workflow.config_settings.config:
        raise UserError(
            "a study is one file, given with --configfile; settings of two are not mixed and "
            "--config is not read: copy the study file and edit it"
        )
    return planning.resolve(given[0] if given else Path("workflow/config/mini.yaml"))


def sources(*names):
    """Files of the package that a cheap job rests on; an edit makes it run again."""
    return [Path(rgmp.__file__).parent / name for name in names]


def training_of(wildcards):
    """The planned training that the wildcards name."""
    folder = f"weights/{wildcards.stage}/{wildcards.training}"
    return next(t for t in plan.trainings if t.folder == folder)


def weights_before(wildcards):
    """What a training starts from, where it starts from another."""
    parent = training_of(wildcards).parent
    folder = f"results/{plan.study}"
    return [f"{folder}/{plan.training(parent).folder}/weights.safetensors"] if parent else []


def weights_of(wildcards):
    """The weights of a variant and seed."""
    seed = int(getattr(wildcards, "seed", plan.seeds[0]))
    run = next(r for r in plan.variant(wildcards.variant).runs if r.seed == seed)
    return f"results/{plan.study}/{run.weights}"


def threads_of(wildcards):
    """CPU threads of an inference: those of the variant's training, for the same bits anywhere."""
    run = plan.variant(wildcards.variant).runs[0]
    return plan.training(run.trainings[-1]).settings["compute"]["threads"]


def data_tree(wildcards):
    """The rendered benchmark, where the study reads it."""
    return [f"results/{plan.study}/data"] if plan.embedded else []


def scored_digest(wildcards):
    """What stands for the frames and the truth of a benchmark's split."""
    return plan.data.digests[f"{wildcards.benchmark}/{plan.split}"]


def data_options():
    """Which tree, as the commands take it."""
    return (
        f"--davis {quote(str(plan.data.davis))} --split {plan.split} "
        f"--resolution {quote(plan.data.resolution)}"
    )


def inference_options(wildcards):
    """How a variant segments, as the commands take it."""
    settings = plan.variant(wildcards.variant).inference
    scales = " ".join(str(scale) for scale in settings.scales)
    return (
        f"--scales {scales} --aggregation {settings.aggregation} --precision {settings.precision}"
    )


def check_options(wildcards):
    """Everything that the study reads, as `rgmp check` takes it."""
    splits = " ".join(split for split in plan.data.digests if split != "stills")
    folders = [(quote(str(s.images)), quote(str(s.masks))) for s in plan.data.stills]
    stills = " ".join(f"--stills {images} {masks}" for images, masks in folders)
    weights = " ".join(f"--weights {quote(str(p))} {name}" for p, name in plan.initial_weights)
    return (
        f"{quote(str(plan.data.davis))} --split {splits} "
        f"--resolution {quote(plan.data.resolution)} {stills} {weights}"
    )


def measured_files(wildcards):
    """Every row, speed file and record that the report rests on."""
    folder = f"results/{plan.study}"
    runs = [(v.name, run.seed) for v in plan.variants for run in v.runs]
    return (
        [f"{folder}/records/{t.folder}.json" for t in plan.trainings]
        + [
            f"{folder}/scores/{b}/{variant}/seed{seed}.csv"
            for b in plan.benchmarks
            for variant, seed in runs
        ]
        + [f"{folder}/speed/{b}/{v.name}.json" for b in plan.benchmarks for v in plan.variants]
    )


try:
    plan = resolve_study()
except UserError as error:
    print(f"rgmp: {error}", file=sys.stderr)
    sys.exit(2)

config |= {
    "title": plan.title,
    "seeds": list(plan.seeds),
}  # for the captions of --report
