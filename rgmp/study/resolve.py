"""Resolve a study file to its plan: apply every variant, list every training run once."""

import sys
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from rgmp.config.base import Benchmark
from rgmp.config.comparison import Truth
from rgmp.config.load import load_dataset, load_study, load_variants
from rgmp.config.method import Method, Network
from rgmp.config.study import (
    OVERALL,
    Data,
    External,
    Machine,
    Stills,
    Study,
    Submission,
    Variant,
)
from rgmp.data import manifest
from rgmp.data.attributes import Attribute, read_attributes
from rgmp.data.known import official
from rgmp.data.mask_source import files_of
from rgmp.data.roots import DataRoots, Described
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.engines import require
from rgmp.evaluation.job import BOUNDS
from rgmp.evaluation.official import require_known
from rgmp.minidavis.cast import VAL_CAST
from rgmp.minidavis.version import VERSION
from rgmp.provenance.code import checkout
from rgmp.runtime import digest_cache
from rgmp.runtime.digest_cache import Digests
from rgmp.runtime.files import digest_of, require_writable
from rgmp.study import layout
from rgmp.study.longer import read_longer
from rgmp.study.missing import of_study, require_there
from rgmp.study.plan import Plan, load_plan
from rgmp.study.planned import (
    DataPaths,
    PlannedExternal,
    PlannedVariant,
    Run,
    Training,
    embedded_roots,
)
from rgmp.training.version import version_of


def resolve(
    path: Path, ablations: Path = Path("ablations"), results: Path = Path("results")
) -> Plan:
    """Apply every variant to the study at `path` and list the training runs, each once.

    Data outside `results` are identified by digests of their bytes, computed once and kept there
    (`rgmp.runtime.digest_cache`). The embedded benchmark does not exist yet, so its seed and the
    version of its renderer identify it.

    Raises:
        UserError: the study, a variant or the data cannot be used.
        ProblemsError: data are not there.
    """
    study = load_study(path)
    folder = results / study.study
    require_writable(folder)
    require(study.evaluation.engine, study.evaluation.cross_check)
    digests = Digests(results / digest_cache.FILE)
    _require_variants(path, ablations)
    methods = load_variants(study, path, ablations)
    _require_unreserved([*methods, *(external.name for external in study.external)], path)
    require_no_table(study.data.sets, path)
    _require_data(study, [method for _, method in methods.values()])
    external = tuple(find_external(external, methods, digests) for external in study.external)
    data = _find_data(study, [method for _, method in methods.values()], folder, digests)
    submission = _submission_here(study, path)
    if submission:
        data.digests[layout.SUBMISSION] = _find_submission(study, submission, methods, digests)
    attributes = _find_attributes(study, data)
    trainings: dict[str, Training] = {}
    variants = []
    for name, (variant, method) in methods.items():
        _require_whole_parts(ablations / f"{name}.yaml", method, study.machine)
        _require_its_checkpoints(ablations / f"{name}.yaml", method, methods["full"][1])
        _require_askable(ablations / f"{name}.yaml", name, variant, attributes)
        runs = tuple(
            _run(name, seed, method, data, digests, trainings, folder) for seed in study.seeds
        )
        variants.append(
            PlannedVariant(
                **variant.model_dump(),
                name=name,
                inference=method.inference,
                threads=method.compute.threads,
                runs=runs,
            )
        )
    initial, given = _find_weights([method for _, method in methods.values()], data, digests)
    digests.save()
    plan = Plan(
        file=str(path),
        embedded=study.data.mini is not None,
        complete=_is_complete(study, data),
        data=data,
        attributes=attributes,
        initial_weights=initial,
        networks=given,
        variants=tuple(variants),
        external=external,
        trainings=tuple(trainings.values()),
        submission=submission,
        **{key: getattr(study, key) for key in _COPIED},
    )
    _require_longer(plan, folder)
    return plan


_COPIED = (
    "study",
    "title",
    "benchmarks",
    "split",
    "evaluation",
    "seeds",
    "margin",
    "machine",
    "speed",
    "longer_study",
)


def find_plan(path: Path) -> tuple[Plan, Path]:
    """The plan of a study folder or of a study file, and the folder.

    Raises:
        UserError: as `load_plan` and `resolve`.
    """
    if path.is_dir():
        return load_plan(path), path
    found = resolve(path)
    return found, Path("results") / found.study


def _require_variants(path: Path, ablations: Path) -> None:
    """Reject a working folder without variants, and say where the project's own is."""
    if ablations.is_dir():
        return
    project = checkout()
    known = f", such as {project}" if (project / "Snakefile").is_file() else ""
    raise UserError(
        f"{path}: its variants are read from {ablations}/, and there is no such folder here; run "
        f"this in the folder that has {ablations}/ and the Snakefile{known}"
    )


def _require_unreserved(names: Iterable[str], path: Path) -> None:
    """Reject a variant or an external method with the name of a row that every table has."""
    for name in names:
        if name in BOUNDS:
            raise UserError(
                f"{path}: {name} is a reserved row name (of rgmp bounds); choose another name for "
                "the variant or external method"
            )


def require_no_table(sets: Iterable[str], path: Path) -> None:
    """Reject a data set with the name of a table: one is named after each benchmark."""
    for name in sets:
        if name in layout.TAKEN:
            raise UserError(f"{path}: data.sets.{name}: is the name of a table; choose another")


def _require_data(study: Study, methods: list[Method]) -> None:
    """Reject a study that trains stage 1 without stills, or names data that are not there."""
    pretrained = any("pretrain" in method.stages for method in methods)
    if pretrained and not (study.data.mini or study.data.stills):
        raise UserError(f"{study.study}: data.stills is empty; stage 1 needs stills with masks")
    require_there(of_study(study, methods))


def _require_longer(plan: Plan, folder: Path) -> None:
    """Reject a longer study that is the study itself, or that `read_longer` does not take."""
    if plan.longer_study is not None and plan.longer_study.resolve() == folder.resolve():
        raise UserError(
            f"{plan.file}: longer_study (={plan.longer_study}): is this study; name another"
        )
    read_longer(plan)


def _require_whole_parts(path: Path, method: Method, machine: Machine) -> None:
    """Reject a batch that processes and accumulation cannot split evenly."""
    parts = machine.processes * method.compute.accumulate
    for stage in method.stages:
        batch = method.settings_of(stage).batch
        if batch % parts:
            raise UserError(
                f"{path}: {stage}.batch (={batch}) is not a multiple of machine.processes "
                f"(={machine.processes}) times compute.accumulate (={method.compute.accumulate}); "
                "change one of them"
            )


def _require_its_checkpoints(path: Path, method: Method, full: Method) -> None:
    """Reject a variant that keeps other checkpoints than `full`: it may share a training run."""
    for key in ("keep_last", "save_interval"):
        value, wanted = getattr(method.finetune, key), getattr(full.finetune, key)
        if value != wanted:
            raise UserError(
                f"{path}: overrides.finetune.{key} (={value}): all variants of a study keep the "
                "same checkpoints; set it in the study file"
            )


def _require_askable(
    path: Path, name: str, variant: Variant, attributes: tuple[Attribute, ...]
) -> None:
    """Reject an expectation of `full` itself, or about a difficulty that nothing has.

    Those of the embedded benchmark are allowed in every study: variants are shared by studies.
    """
    if name == "full" and variant.expects:
        raise UserError(f"{path}: expects: full is what the others are compared with; remove it")
    known = [OVERALL, *VAL_CAST, *sorted({one.attribute for one in attributes} - {*VAL_CAST})]
    for difficulty in variant.expects:
        if difficulty not in known:
            raise UserError(
                f"{path}: expects.{difficulty}: no sequence has this difficulty; "
                f"allowed: {', '.join(known)}; name others in data.attributes of the study"
            )


def _run(
    variant: str,
    seed: int,
    method: Method,
    data: DataPaths,
    digests: Digests,
    trainings: dict[str, Training],
    folder: Path,
) -> Run:
    """Find or add the training runs of one variant and seed.

    A training run is named after the first variant that needs it, and keeps that name: if a folder
    of its identity exists, a new variant listed before it does not rename it.
    """
    parent: str | None = None
    identities = []
    for stage in method.stages:
        network, settings = method.network_of(stage), method.settings_of(stage)
        digest = data.digests[settings.part]
        decisive = {stage: settings.decisive, "compute": method.compute.model_dump(mode="json")}
        identity = _identity(network, decisive, digest, parent, seed, digests)
        shared = trainings.get(identity)
        there = sorted((folder / layout.training(stage)).glob(f"*-{identity}"))
        named = there[0].name.removesuffix(f"-{identity}") if there else f"{variant}-seed{seed}"
        slug = shared.slug if shared else named
        trainings[identity] = Training(
            identity=identity,
            stage=stage,
            slug=slug,
            seed=seed,
            parent=parent,
            data=digest,
            folder=layout.training(f"{stage}/{slug}-{identity}"),
            variants=(*(shared.variants if shared else ()), variant),
            network=network,
            settings=settings,
            compute=method.compute,
        )
        identities.append(identity)
        parent = identity
    if method.weights:
        given = digests.of(method.weights)
        return Run(seed=seed, trainings=(), weights=method.weights, weights_digest=given)
    last = identities[-1]
    return Run(
        seed=seed,
        trainings=tuple(identities),
        weights=folder / layout.weights(trainings[last].folder),
        weights_digest=last,
    )


def _identity(
    network: Network,
    settings: Mapping[str, Any],
    data: str,
    parent: str | None,
    seed: int,
    digests: Digests,
) -> str:
    """Twelve hexadecimal digits that identify everything that can change the trained weights.

    Initial weights count by their bytes, not their path, and only without a preceding run.
    """
    start = network.initial_weights
    initial = digests.of(start) if start and parent is None else None
    resolved = {**settings, "network": network.architecture}
    version = version_of(network)
    beyond = [version] if version > 1 else []  # identities from before versions stay valid
    return digest_of([resolved, initial, data, parent, seed, *beyond])[:12]


def _find_data(study: Study, methods: list[Method], folder: Path, digests: Digests) -> DataPaths:
    """The paths of the data, and the digests of the stills and of every split that is read.

    A digest includes the order of sets and sequences, which decides how samples are drawn.
    """
    data = study.data
    pretrained = any("pretrain" in method.stages for method in methods)
    trained = {m.finetune.benchmark for m in methods if "finetune" in m.stages}
    splits = {(b, "train") for b in trained} | {(b, study.split) for b in study.benchmarks}
    if data.mini:
        rendered = digest_of(["embedded benchmark", VERSION, data.mini.seed])
        return DataPaths(
            **dict(embedded_roots(folder, data.resolution)),
            mini_seed=data.mini.seed,
            digests=dict.fromkeys(("stills", *(f"{b}/{s}" for b, s in sorted(splits))), rendered),
        )
    roots = roots_of(data, data.stills if pretrained else ())
    if study.evaluation.engine == "official":
        for benchmark in study.benchmarks:
            require_known(Videos.of(roots, benchmark, study.split))
    found = {}
    if pretrained:
        found["stills"] = manifest.of_stills(data.stills, digests).digest
    for benchmark, split in sorted(splits):
        videos = Videos.of(roots, benchmark, split)
        scored = benchmark in study.benchmarks and split == study.split
        found[f"{benchmark}/{split}"] = digest_of_videos(videos, digests, scored=scored)
    return DataPaths(**dict(roots), mini_seed=None, digests=found)


def roots_of(data: Data | Truth, stills: tuple[Stills, ...] = ()) -> DataRoots:
    """Where the data of a study are; the descriptions of its data sets are read.

    Raises:
        UserError: one of them cannot be read.
    """
    return DataRoots(
        davis=data.davis,
        davis2016=data.davis2016,
        sets={
            name: Described(root=one.root, dataset=load_dataset(one.file))
            for name, one in data.sets.items()
        },
        stills=stills,
        resolution=data.resolution,
    )


def digest_of_videos(videos: Videos, digests: Digests, *, scored: bool) -> str:
    """A digest of the files of a split and of the order of its sequences.

    Raises:
        UserError: files are missing, or a sequence has too few annotations to be trained on or, if
            `scored`, to be scored.
    """
    sequences = videos.open()
    for sequence in sequences:
        sequence.require_annotated(f"{videos.benchmark}/{videos.split}", scored=scored)
    return manifest.of_videos(sequences, digests, videos.meaning).digest


def _find_weights(
    methods: list[Method], data: DataPaths, digests: Digests
) -> tuple[tuple[tuple[Path, str], ...], tuple[Path, ...]]:
    """The given weights of encoders, each with its backbone, and of whole networks.

    Their digests are added to those of the data.
    """
    networks = [method.network for method in methods]
    initial = sorted({(n.initial_weights, n.backbone) for n in networks if n.initial_weights})
    if initial:
        data.digests["weights"] = manifest.of_encoders(initial, digests).digest
    given = sorted({method.weights for method in methods if method.weights})
    if given:
        data.digests["networks"] = manifest.of_networks(given, digests).digest
    return tuple(initial), tuple(given)


def _find_attributes(study: Study, roots: DataRoots) -> tuple[Attribute, ...]:
    """The attributes that a study names of the sequences of its data sets.

    Raises:
        UserError: their file cannot be used.
    """
    data = study.data
    if data.attributes is None:
        return ()
    trees = [Videos.of(roots, benchmark, study.split).tree for benchmark in study.benchmarks]
    frames = (tree.frames_folder.glob("*") for tree in trees)
    return read_attributes(data.attributes, {path.name for found in frames for path in found})


def find_external(
    external: External, variants: Container[str], digests: Digests
) -> PlannedExternal:
    """Find the masks and tables of an external method.

    Raises:
        UserError: a variant has its name, or its files are missing or no archive.
    """
    if external.name in variants:
        raise UserError(f"external {external.name}: a variant has the same name; choose another")
    found = {benchmark: digests.of(path) for benchmark, path in external.scores.items()}
    for benchmark, place in external.masks.items():
        files = files_of(place)
        if not files:
            raise UserError(
                f"{place}: no masks (<sequence>/00000.png, ...) of external {external.name}"
            )
        packed = files == [place]
        found[benchmark] = digests.of(place) if packed else digests.of_all(files, names=2)
    return PlannedExternal(**external.model_dump(), digests=found)


def _submission_here(study: Study, path: Path) -> Submission | None:
    """What a study segments for a server; None, with a line, if it may be absent and is."""
    submission = study.submission
    if submission and submission.optional and not submission.davis.is_dir():
        print(
            f"{path}: submission: {submission.davis} is not here; left out, as it is optional",
            file=sys.stderr,
        )
        return None
    return submission


def _find_submission(
    study: Study, submission: Submission, variants: Container[str], digests: Digests
) -> str:
    """The digest of what is segmented for a server, of which frame 0 alone is annotated.

    Raises:
        UserError: the study lacks one of its variants, or the split cannot be read.
    """
    for name in submission.variants:
        if name not in variants:
            raise UserError(f"submission.variants: {name} is no variant of {study.study}")
    videos = Videos(
        davis=submission.davis,
        benchmark="davis2017",
        split=submission.split,
        resolution=study.data.resolution,
    )
    return manifest.of_videos(videos.open(), digests, videos.meaning).digest


def _is_complete(study: Study, roots: DataRoots) -> bool:
    """Whether every benchmark is scored on the complete official val split."""
    if study.data.mini or study.split != "val":
        return False
    return all(set(Videos.of(roots, b, "val").names()) == official_val(b) for b in study.benchmarks)


def official_val(benchmark: Benchmark) -> set[str]:
    """The sequences of DAVIS's own val split."""
    return official(benchmark, "val")
