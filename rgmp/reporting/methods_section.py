r"""The methods section of a study, to be pasted into a paper: written by what ran.

Every sentence is made from the plan, the records or the tables, so that what was not done is not
said. In sentences a reference stands as in Pandoc's Markdown, `[@holm1979]`, and names an entry of
`facts/references.bib`; LaTeX has `\cite` in its place, and `references.bib` those that are cited.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from rgmp import facts
from rgmp.config.base import STAGES
from rgmp.config.dataset import Dataset
from rgmp.config.method import Finetune, Network, Optimisation, Pretrain
from rgmp.provenance.machine import machine_of
from rgmp.runtime.files import write_text
from rgmp.runtime.markup import latex, markdown
from rgmp.runtime.quantities import UNKNOWN, counted, duration
from rgmp.study import layout
from rgmp.study.planned import Training
from rgmp.study.protocols import only
from rgmp.study.results import Results, seconds_of

Paragraph = tuple[str, list[str]]
"""A heading and its sentences."""

_OPTIMISERS = {
    "adam": "Adam [@kingma2015adam]",
    "adamw": "AdamW [@loshchilov2019adamw]",
    "sgd": "stochastic gradient descent",
}
_SCHEDULES = {
    "constant": "",
    "cosine": "along half a cosine [@loshchilov2017sgdr]",
    "poly": "as (1 - step / last step)^0.9",
}
_BPTT = {
    "full": "each frame's previous mask is the network's own soft prediction, through which the "
    "gradient is propagated back in time",
    "detached": "each frame's previous mask is the network's own soft prediction, without its "
    "gradient",
    "none": "each frame's previous mask is the true one",
}
_AGGREGATIONS = {
    "softmax": "several objects are combined by softmax aggregation",
    "winner_take_all": "of several objects the most probable takes each pixel",
    "independent": "several objects are propagated independently",
}
_ENCODERS = {"resnet10": "10", "resnet18": "18", "resnet34": "34", "resnet50": "50"}


def write(results: Results) -> None:
    """Write the methods section as Markdown and LaTeX, and its references, beside the tables.

    Raises:
        UserError: a table of the study is missing or broken.
    """
    folder = results.folder / layout.TABLES
    paragraphs = paragraphs_of(results)
    write_text(folder / layout.METHODS_MARKDOWN, as_markdown(paragraphs))
    write_text(folder / layout.METHODS_LATEX, as_latex(paragraphs))
    write_text(folder / layout.BIBLIOGRAPHY, facts.bibliography(cited_in(paragraphs)))


def paragraphs_of(results: Results) -> list[Paragraph]:
    """The section: what a study did, as far as it has."""
    found = {
        "Study": _study(results),
        "Data": _data(results),
        "Network": _network(results),
        "Training": _training(results),
        "Variants": _variants(results),
        "Inference": _inference(results),
        "Evaluation": _evaluation(results),
        "Statistics": _statistics(results),
        "Speed": _speed(results),
        "Hardware and software": _machines(results),
    }
    every = ((heading, [*sentences]) for heading, sentences in found.items())
    return [(heading, sentences) for heading, sentences in every if sentences]


def as_markdown(paragraphs: Iterable[Paragraph]) -> str:
    """The section in Markdown with Pandoc's citations."""
    parts = ["# Methods"]
    for heading, sentences in paragraphs:
        text = _cited(" ".join(sentences), markdown, lambda keys: f"[{'; '.join(keys)}]")
        parts.append(f"**{heading}.** {text}")
    return "\n\n".join(parts) + "\n"


def as_latex(paragraphs: Iterable[Paragraph]) -> str:
    r"""The section in LaTeX: a `\paragraph` each, with `\cite`."""
    lines = [f"% cites {layout.BIBLIOGRAPHY}, which is beside this file"]
    lines.append(r"\begingroup\sloppy % digests and keys have no place to break")
    for heading, sentences in paragraphs:
        text = _cited(
            " ".join(sentences), latex, lambda keys: rf"\cite{{{','.join(k[1:] for k in keys)}}}"
        )
        lines += [rf"\paragraph{{{heading}.}}", text, ""]
    return "\n".join([*lines, r"\endgroup"]) + "\n"


def cited_in(paragraphs: Iterable[Paragraph]) -> list[str]:
    """The keys of the references, in the order in which they are cited."""
    text = " ".join(sentence for _, sentences in paragraphs for sentence in sentences)
    found = (key.removeprefix("@") for group in _CITATION.findall(text) for key in _keys(group))
    return [*dict.fromkeys(found)]


_CITATION = re.compile(r"\[(@[a-z0-9]+(?:; @[a-z0-9]+)*)\]")


def _keys(group: str) -> list[str]:
    return group.split("; ")


def _cited(text: str, escape: Callable[[str], str], cite: Callable[[list[str]], str]) -> str:
    """A text with its references, and all that stands between them, in another format."""
    plain, *rest = _CITATION.split(text)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return escape(plain) + "".join(cite(_keys(group)) + escape(after) for group, after in pairs)


def _study(results: Results) -> Iterator[str]:
    plan = results.plan
    yield (
        "We evaluated reference-guided mask propagation (RGMP) [@oh2018rgmp] with rgmp, in the "
        f"study {plan.study} (commit {results.commit}): {plan.title}."
    )
    if results.unfinished:
        yield results.unfinished
    for disagreement in results.disagreements:
        yield f"Provenance is mixed: {disagreement.sentence}."


def _data(results: Results) -> Iterator[str]:
    plan = results.plan
    if plan.embedded:
        yield (
            "All data are rendered: the benchmark that is embedded in rgmp, toy videos of the "
            f"layout of DAVIS [@perazzi2016davis; @ponttuset2017davis], render seed "
            f"{plan.data.mini_seed}. Accuracies on it are not comparable with those on DAVIS."
        )
    else:
        names = {"davis2016": "[@perazzi2016davis]", "davis2017": "[@ponttuset2017davis]"}
        listed = _listed(f"{plan.title_of(b)} {names.get(b, '')}".strip() for b in plan.benchmarks)
        yield f"We score on {listed}, split {plan.split}."
        if "davis2016" in plan.benchmarks:
            yield f"DAVIS-2016 is scored on {results.annotation}."
        yield f"What is scored is {results.nature}."
    counts: dict[str, object] = {}
    for record in results.of_kind("check"):
        counts |= {part: count for part, count in record["results"].items() if count}
    parts: dict[str, list[str]] = {}
    for part, digest in plan.data.digests.items():
        parts.setdefault(digest[:12], []).append(_sized(part, counts.get(part)))
    named = (f"{_listed(of_digest)}: {digest}" for digest, of_digest in parts.items())
    yield f"The parts of the data, by the digests of their manifests, are {'; '.join(named)}."


def _sized(part: str, count: object) -> str:
    """`davis2017/val (60 sequences)`; without the count if no check has counted it."""
    if not isinstance(count, int):
        return part
    return f"{part} ({counted(count, 'sequence' if '/' in part else 'image')})"


def _network(results: Results) -> Iterator[str]:
    trainings = _trainings(results)
    if not trainings:
        run = results.plan.variant("full").runs[0]
        yield f"The weights were given as a file (SHA-256 {run.weights_digest[:12]})."
        return
    network = trainings[-1].network
    yield (
        f"The encoder is a residual network of {_ENCODERS[network.backbone]} layers "
        f"[@he2016resnet] with {network.width} channels in its first, the decoder has "
        f"{network.decoder_width} channels; {_start(network)}. {_streams(network)}"
    )


def _start(network: Network) -> str:
    if network.initial_weights is None:
        return "training starts from random weights"
    return "the encoder starts from weights of ImageNet [@russakovsky2015imagenet]"


def _streams(network: Network) -> str:
    reference = {
        "first": "Each frame is matched with frame 0 and its given mask",
        "rolling": "Each frame is matched with the previous one",
        "none": "Frames are matched with no reference",
    }[network.reference]
    guided = "is guided by" if network.previous_mask else "does not see"
    return f"{reference}, and {guided} the mask of the frame before."


def _training(results: Results) -> Iterator[str]:
    records = results.of_kind("train")
    trainings = _trainings(results) if records else []
    for training in trainings:
        yield from _stage(results, training.settings)
    if trainings:
        seeds = counted(len(results.plan.seeds), "seed")
        yield (
            f"Every variant is trained with {seeds} ({results.seeds}); those whose training does "
            "not differ share it."
        )
    if records:
        computed = {str(r["results"]["precision"]) for r in records if "precision" in r["results"]}
        within = f", in {_listed(sorted(computed))}" if computed else ""
        took = duration(sum(map(seconds_of, records)))
        yield f"In all, {counted(len(records), 'training run')} took {took}{within}."


def _stage(results: Results, settings: Pretrain | Finetune) -> Iterator[str]:
    """What a stage trains on, for how long, and with what augmentation."""
    if isinstance(settings, Finetune):
        first, last = settings.frames
        frames = f"{first}" if first == last else f"{first} frames, later {last},"
        plan = results.plan
        videos = "rendered videos" if plan.embedded else plan.title_of(settings.benchmark)
        yield (
            f"Stage 2 trains on clips of {frames} of the train split of {videos}; "
            f"{_BPTT[settings.bptt]}."
        )
    else:
        yield "Stage 1 trains on pairs of frames that are synthesised from still images."
    height, width = settings.crop
    yield (
        f"It takes {counted(settings.steps, 'step')} of {counted(settings.batch, 'sample')} of "
        f"{height}x{width} pixels with {_OPTIMISERS[settings.optimiser]}, {_rate(settings)}."
    )
    jitters = (settings.brightness, settings.contrast, settings.saturation)
    equal = len({*jitters}) == 1
    each = [f"{100 * jitter:g}%" for jitter in jitters[: 1 if equal else None]]
    yield (
        f"Views are rotated by {_range(settings.rotation)} degrees, scaled by "
        f"{_range(settings.scale)}, sheared by {_range(settings.shear)} degrees and shifted by up "
        f"to {100 * settings.translation:g}% of the crop; brightness, contrast "
        f"and saturation change by up to {_listed(each)}; samples are "
        f"mirrored with a probability of {settings.flip:g} and zoomed by {_range(settings.zoom)}."
    )
    if settings.ema_ratio:
        yield (
            "The stage leaves an exponential moving average of its weights, over about "
            f"{100 * settings.ema_ratio:g}% of its steps."
        )


def _range(ends: tuple[float, float]) -> str:
    """`0.9 to 1.1`."""
    low, high = ends
    return f"{low:g} to {high:g}"


def _rate(settings: Optimisation) -> str:
    """The learning rate and its course."""
    start = f"a learning rate of {_plain(settings.learning_rate)}"
    course = _SCHEDULES[settings.schedule]
    falls = f" falling to {_plain(settings.final_learning_rate)} {course}" if course else ""
    decay = f", weight decay {settings.weight_decay:g}" if settings.weight_decay else ""
    return f"{start}{falls}{decay} and gradients clipped at a norm of {settings.clip_gradient:g}"


def _plain(rate: float) -> str:
    """A learning rate without an exponent."""
    return f"{rate:.10f}".rstrip("0").rstrip(".")


def _variants(results: Results) -> Iterator[str]:
    """What each variant that is scored changes, in the words of its file."""
    plan, scored = results.plan, {*results.table("ablation")["variant"]}
    changes = {name: ", ".join(_flat(plan.variant(name).overrides)) for name in results.others}
    told = [
        results.label(name) + (f" ({change})" if change else "")
        for name, change in changes.items()
        if name in scored
    ]
    if told:
        yield f"The whole method is compared with variants of its settings: {_listed(told)}."
    given = [results.label(name) for name in results.external if name in scored]
    if given:
        yield f"Not trained here, but scored beside them: {_listed(given)}."


def _flat(overrides: object, key: str = "") -> Iterator[str]:
    """Overrides as `finetune.bptt: none`."""
    match overrides:
        case dict():
            for name, value in overrides.items():
                yield from _flat(value, f"{key}.{name}" if key else str(name))
        case list() | tuple():
            yield f"{key}: {' '.join(map(str, overrides))}"
        case _:
            yield f"{key}: {str(overrides).lower() if isinstance(overrides, bool) else overrides}"


def _inference(results: Results) -> Iterator[str]:
    full = results.plan.variant("full").inference
    records = [r for r in results.of_kind("infer") if r["variant"] == "full"]
    if not records:
        return
    scales = _listed(f"{scale:g}" for scale in full.scales)
    at = f"the scales {scales}, averaged" if len(full.scales) > 1 else f"the scale {scales}"
    precision = only({str(r["config"].get("precision", full.precision)) for r in records})
    yield (
        f"A video is segmented frame by frame, its probabilities computed at {at}; "
        f"{_AGGREGATIONS[full.aggregation]}. The network computes in {precision}."
    )


def _evaluation(results: Results) -> Iterator[str]:
    if results.of_kind("score"):
        plan = results.plan
        frames: dict[str, list[str]] = {}
        for benchmark in plan.benchmarks:
            scored = _scored(results.videos(benchmark).dataset)
            frames.setdefault(scored, []).append(plan.title_of(benchmark))
        of = [*frames] if len(frames) == 1 else [f"{f} of {_listed(b)}" for f, b in frames.items()]
        yield (
            f"Accuracy is region similarity J and contour accuracy F [@perazzi2016davis] of "
            f"{_listed(of)}, mean over frames, then objects, then seeds; J&F is the mean of both. "
            f"Scores are those of {results.scored_by}."
        )


def _scored(dataset: Dataset) -> str:
    """The frames of a data set that are scored: `every frame but the first and the last`."""
    frame = "every annotated frame" if dataset.sparse else "every frame"
    if dataset.objects == "appearing":
        after = f"{frame} after the one that gives the object"
        return after if dataset.score_last else f"{after}, but the last"
    return f"{frame} but the first" + ("" if dataset.score_last else " and the last")


def _statistics(results: Results) -> Iterator[str]:
    plan, table = results.plan, results.table("ablation")
    if table["difference_mean"].isna().all():
        return
    differences = f"Differences of J&F to {results.label('full')} are paired by"
    if len(plan.seeds) > 1:
        yield (
            f"{differences} seed and sequence. Intervals are 95%, with seeds and sequences as "
            "crossed random effects [@obuchowski1995; @hillis2007] and degrees of freedom by "
            "Satterthwaite [@satterthwaite1946]."
        )
    else:
        yield f"{differences} sequence; intervals are 95%, over sequences alone: there is one seed."
    if table["p_zero"].notna().any():
        yield (
            "The verdicts of a benchmark are corrected for multiple tests by the procedure of Holm "
            "[@holm1979] at 5%, in two passes: over the tests of no difference, and over those of "
            f"a difference beyond the margin of {plan.margin:g} points of J&F."
        )
    if table["expected"].ne("").any():
        newer = table["claim_since_run"].eq("newer").sum()
        yield (
            "What a variant is expected to change stands in its file; of these expectations "
            f"{newer or 'none'} was added after the run."
        )


def _speed(results: Results) -> Iterator[str]:
    timed = results.table("speed").dropna(subset="rounds")
    if timed.empty:
        return
    devices = _listed(dict.fromkeys(timed["device"]))
    threads = sorted({int(count) for count in timed["threads"].dropna()})
    on = f" with {counted(threads[0], 'thread')}" if len(threads) == 1 else ""
    least, most = int(timed["rounds"].min()), int(timed["rounds"].max())
    rounds = f"{least}" if least == most else f"{least} to {most}"
    yield (
        f"Speed was measured on {devices}{on} in {_listed(dict.fromkeys(timed['precision']))}: all "
        f"computations took turns in {rounds} rounds; frames per second are of network and "
        "aggregation, seconds per frame of whole clips with reading, resizing and writing."
    )
    if timed["quiet"].eq(False).any():
        yield "The machine was not quiet."


def _machines(results: Results) -> Iterator[str]:
    records = results.measured
    if not records:
        return
    machines = _listed(sorted({machine_of(record["machine"]) for record in records}))
    named = {"python": "Python", "torch": "PyTorch", "numpy": "NumPy", "rgmp": "rgmp"}
    versions = []
    for package, title in named.items():
        found = sorted({r["versions"][package] for r in records if package in r["versions"]})
        cited = " [@paszke2019pytorch]" if package == "torch" else ""
        versions += [f"{title} {' and '.join(found)}{cited}"] if found else []
    yield f"Jobs ran on {machines}. Software: {_listed(versions)}."
    trained = results.of_kind("train")
    flags = {record["determinism"].get("deterministic_algorithms") for record in trained}
    if flags == {True}:
        yield "Trainings used PyTorch's deterministic algorithms."


def _trainings(results: Results) -> list[Training]:
    """The training runs of the whole method with the first seed, in order."""
    plan = results.plan
    run = plan.variant("full").runs[0]
    return sorted(map(plan.training, run.trainings), key=lambda t: STAGES.index(t.stage))


def _listed(texts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`; a dash for none."""
    *others, last = [*texts] or [UNKNOWN]
    return f"{', '.join(others)} and {last}" if others else last
