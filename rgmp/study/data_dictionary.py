"""What the columns of CSV files mean, and their units: `tables/README.md` of a study or comparison.

A column that several files have means the same in them, unless it is described with the name of its
file, as `cost.label`; a description with a `*` is of all columns that fit it. What writes
the files describes every column that they have, and fails on one that has no description.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from rgmp.config.protocol import Protocol
from rgmp.runtime.markup import markdown


class Column(NamedTuple):
    """A column.

    Attributes:
        unit: of its numbers; of text, what kind it is.
        meaning: what it says.
    """

    unit: str
    meaning: str


FRACTION, COUNT, TEXT, NAME, FLAG = "fraction", "count", "text", "name", "True or False"
SECONDS, BYTES, RATE, RATIO = "seconds", "bytes", "frames per second", "ratio"

ROWS = {
    "ablation": "a method on a benchmark, compared with full",
    "difficulty": "a variant on the sequences of one difficulty, compared with full there",
    "reproduction": "a method, over all objects or on one, beside what is published of it",
    "protocols": "a method on a benchmark: how it was trained, run and timed",
    "speed": "a computation on a benchmark, timed once for all variants that share it",
    "sequences": "an object of a sequence by one method, mean over seeds",
    "cost": "a training run",
    "checkpoints": "a variant on a benchmark, with the last checkpoints of its training runs",
    "objects": "an object of a sequence by one method with one seed",
    "sequence_means": "a sequence by one method with one seed, mean over its objects",
    "differences": "a variant on a benchmark with one seed, minus full with that seed",
    "course": "a position in the course of a sequence, mean over objects and seeds of a method",
    "frames": "a frame by one method with the first seed, mean over its objects",
    "methods": "a method, compared with all others",
    "pairs": "a pair of methods",
    "trainings": "a training of a method",
    "evaluator": "an object of a sequence by one run, scored by both engines, mean over its frames",
}
"""What a row of each file is; of the file of a benchmark, a method."""
OF_A_BENCHMARK = "a method on this benchmark"

OF_STUDIES = {
    "benchmark": Column(NAME, "davis2016: the foreground; davis2017: objects"),
    "variant": Column(NAME, "the file in ablations/, or the method that was not trained here"),
    "label": Column(TEXT, "its name in print"),
    "external": Column(FLAG, "whether it was not trained here"),
    "mixed": Column(
        FLAG, "whether its records disagree: other code, data or machine than the others'"
    ),
    "seed": Column("number", "of the training; empty: no training here made the masks"),
    "seeds": Column(COUNT, "seeds that were scored"),
    "sequence": Column(NAME, "of the video; empty: all of them"),
    "object": Column("number", "of the object in its sequence, from 1 on; empty: all of them"),
    "frame": Column(NAME, "of the frame's file, without suffix"),
    # accuracy
    "J": Column(FRACTION, "region similarity, intersection over union"),
    "J_mean": Column(FRACTION, "region similarity: mean over frames, objects, seeds"),
    "J_recall": Column(FRACTION, "share of frames with J above 0.5"),
    "J_decay": Column(FRACTION, "mean J of the first quarter of frames minus that of the last"),
    "F_mean": Column(FRACTION, "contour accuracy, as J_mean"),
    "F_recall": Column(FRACTION, "share of frames with F above 0.5"),
    "F_decay": Column(FRACTION, "as J_decay, of F"),
    "J&F": Column(FRACTION, "mean of J_mean and F_mean"),
    "*_spread": Column(FRACTION, "standard deviation over seeds of the column of that name"),
    "published_*": Column(FRACTION, "as published, where known"),
    "RGMP_authors_*": Column(FRACTION, "of the masks that the authors of RGMP published"),
    "course.position": Column("per cent", "of the sequence's length"),
    "course.J_low": Column(FRACTION, "lower end of the 95 % bootstrap interval over sequences"),
    "course.J_high": Column(FRACTION, "its upper end"),
    # differences
    "difficulty": Column(
        NAME,
        "the sequences' attribute; several objects: those that have more than one, where the "
        "variant is asked that changes nothing else; its expectation is the one named overall",
    ),
    "difference": Column(FRACTION, "J&F minus that of full with this seed"),
    "difference_mean": Column(FRACTION, "J&F minus that of full: mean over objects and seeds"),
    "difference_low": Column(
        FRACTION,
        "lower end of the interval on sequences like these: seeds and sequences as crossed random "
        "effects, 95 % for this row alone; with one seed, of sequences alone",
    ),
    "difference_high": Column(FRACTION, "its upper end"),
    "difference_verdict": Column(
        TEXT,
        "better, worse; no difference beyond the margin of the study; worse (or better), by less "
        "than the margin; undecided; one seed, or one sequence: no verdict; same computation: "
        "nothing to test; exploratory: not predicted, hence no verdict. Those of a benchmark's "
        "table hold at once: two passes of Holm, nominally 5 % each (simulated: better or worse up "
        "to 7 % with few seeds)",
    ),
    "longer_study_verdict": Column(
        TEXT,
        "the same in the longer study that this one names (longer_study); empty: it names none, or "
        "that one does not have this comparison",
    ),
    "expected": Column(TEXT, "what the variant's file predicts: worse, better, none"),
    "claim": Column(
        TEXT,
        "its outcome: supported, if need be as a small effect; contradicted, no effect, undecided; "
        "overall, for a variant that changes sequences with several objects alone: on those, as in "
        "difficulty.csv",
    ),
    "claim_since_run": Column(
        TEXT,
        "newer: its file did not expect this yet when the variant was first scored; withdrawn: it "
        "did then, and does no longer; empty: neither, or not known",
    ),
    "same_sequences_low": Column(
        FRACTION,
        "lower end of the interval on these very sequences: seeds alone vary, Student's t, 95 % "
        "for this row alone",
    ),
    "same_sequences_high": Column(FRACTION, "its upper end"),
    "p_zero": Column("probability", "p-value of no difference, adjusted by Holm"),
    "p_beyond": Column(
        "probability", "p-value of a difference beyond the margin, adjusted by Holm"
    ),
    "smallest_found": Column(
        FRACTION,
        "where undecided: the smallest difference that a study of this size finds with 80 % power, "
        "at the significance that Holm asks of the next",
    ),
    "deciding_seeds": Column(
        COUNT,
        "where undecided: seeds with which, and with deciding_sequences, a difference of the "
        "margin is found with 80 % power; empty also where 64 seeds and 2,048 sequences do not "
        "suffice",
    ),
    "deciding_sequences": Column(COUNT, "the sequences, or figures, to that"),
    "paired_seeds": Column(COUNT, "seeds that both have"),
    "paired_sequences": Column(COUNT, "sequences that the difference rests on"),
    "paired_figures": Column(
        COUNT,
        "the clusters that were analysed in their place: figures where those recur, else the "
        "sequences themselves",
    ),
    "sd_seeds": Column(FRACTION, "standard deviation of the difference by seed"),
    "sd_sequences": Column(FRACTION, "by sequence, or figure"),
    "sd_runs": Column(FRACTION, "by single run, with one seed on one sequence"),
    "because": Column(TEXT, "the argument for the expectation"),
    "seeds_added": Column(
        TEXT,
        "the seeds that were added after the study's first tables had been made, and on which the "
        "row rests",
    ),
    "same_data_as": Column(
        NAME,
        "the earlier benchmark on which this comparison rests on the same scores, as where each of "
        "its sequences has one object: one result, which counts once, there; both verdicts hold in "
        "the family of their benchmark; empty: none",
    ),
    "next_training_low": Column(
        FRACTION,
        "lower end of the interval in which J&F of one more training by this recipe is expected on "
        "these sequences, 95 %; empty with fewer than three seeds",
    ),
    "next_training_high": Column(FRACTION, "its upper end"),
    # benchmarks, protocols, reproduction
    "source": Column(TEXT, "where the figures of the row are from"),
    "note": Column(TEXT, "on the source"),
    "section": Column(TEXT, "the heading of the row in print"),
    "seconds_per_frame": Column(
        SECONDS,
        "as the authors count: wall time of whole clips divided by their frames, including frame "
        "0, reading, resizing and transfers; of what is not trained here, as reported",
    ),
    "busy": Column(FLAG, "whether others used much of the machine while it was timed"),
    "other_protocol": Column(TEXT, "in what it is known to differ from full; empty: in nothing"),
    "unknown_protocol": Column(
        TEXT, "the fields that may change accuracy of which it, or full, says nothing"
    ),
    **{
        f"protocols.{name}": Column(TEXT, field.description or "")
        for name, field in Protocol.model_fields.items()
    },
    "reproduction.published": Column(TEXT, "the published method that it is compared with"),
    "reproduction.source": Column(TEXT, "of the published figures"),
    "reproduction.largest_difference": Column(
        FRACTION, "the larger of the absolute differences of J and F"
    ),
    "reproduced": Column(FLAG, "whether it is within 0.001; empty: a figure is not known"),
    # speed
    "shared_by": Column(TEXT, "the other variants that compute the same"),
    "device": Column(TEXT, "the GPU, or the CPU, that computed"),
    "precision": Column(TEXT, "in which it computed"),
    "aggregation": Column(TEXT, "how several objects are combined"),
    "scales": Column(TEXT, "to which frames are resized, and over which predictions are averaged"),
    "quiet": Column(
        FLAG, "whether full, timed twice, was as fast as itself: else no ratio means much"
    ),
    "threads": Column(COUNT, "threads of the CPU; empty on a GPU"),
    "rounds": Column(COUNT, "rounds in which all computations took turns"),
    "short_frames": Column(COUNT, "frames of the short video of the memory measurement"),
    "short_bytes": Column(BYTES, "memory with it: on a GPU the peak of this computation"),
    "long_frames": Column(COUNT, "frames of the long one"),
    "long_bytes": Column(BYTES, "memory with it"),
    "speed.peak_memory_bytes": Column(
        BYTES, "on a GPU of this computation, on a CPU of the process, with all of them"
    ),
    "others_share": Column(
        FRACTION, "of the machine's cores that other processes used during the measurement"
    ),
    "fps": Column(
        RATE,
        "network and aggregation, from a frame on the device to its labels there, without frame 0",
    ),
    "end_to_end_fps": Column(RATE, "from a decoded frame in memory to its labels there"),
    "authors_fps": Column(RATE, "frames of whole clips over wall time: 1 / seconds_per_frame"),
    "authors_seconds_per_frame": Column(SECONDS, "the same per frame"),
    "fps_*_objects": Column(RATE, "fps on the clips with that many objects, median over frames"),
    "ratio": Column(RATIO, "fps relative to that of full, within rounds"),
    "again_ratio": Column(RATIO, "fps of full timed a second time, relative to the first"),
    "fixed_seconds": Column(SECONDS, "per frame whatever the number of objects: a fitted line"),
    "object_seconds": Column(SECONDS, "per frame and object: its slope"),
    "*_low": Column("as the column", "lower end of the 95 % interval over rounds"),
    "*_high": Column("as the column", "its upper end"),
    "seconds_per_frame_p95": Column(SECONDS, "95th percentile over frames and rounds"),
    "end_to_end_seconds_per_frame_p95": Column(SECONDS, "the same, end to end"),
    "first_frame_seconds": Column(SECONDS, "of frame 0, which is given; median"),
    "flops_per_frame": Column("operations", "floating-point operations of the network per frame"),
    "matmul_flops_per_second": Column(
        "operations per second", "that the device reaches in large matrix products"
    ),
    "fraction_of_limit": Column(
        FRACTION, "of that rate that the network reaches; convolutions on a CPU may exceed it"
    ),
    "labels_as_fp32": Column(FRACTION, "of pixels labelled as by the same weights in fp32"),
    # cost
    "stage": Column(NAME, "pretrain: stage 1, on stills; finetune: stage 2, on videos"),
    "cost.label": Column(NAME, "of the training run: its first variant, and its seed"),
    "identity": Column(NAME, "of the training run: a digest of all that can change its weights"),
    "variants": Column(TEXT, "that share it"),
    "cost.shared_by": Column(COUNT, "how many they are"),
    "cost.steps": Column(COUNT, "optimiser steps"),
    "samples": Column(COUNT, "pairs or clips that were trained on"),
    "hours": Column("hours", "of wall time, all attempts together"),
    "cost.peak_memory_bytes": Column(BYTES, "on the GPU, or of the process"),
    # checkpoints
    "checkpoints.steps": Column(TEXT, "after which the checkpoints were kept"),
    "last": Column(FRACTION, "J&F of the last checkpoint, mean over seeds"),
    "mean": Column(FRACTION, "J&F, mean over the checkpoints"),
    "best": Column(FRACTION, "J&F of the best, chosen with each seed on these very sequences"),
    "gain": Column(
        FRACTION, "of the checkpoint that is best on half of the sequences, over the mean, on those"
    ),
    "gain_elsewhere": Column(FRACTION, "of the same one on the other half"),
    "optimism": Column(FRACTION, "the difference of the two gains"),
    "optimism_low": Column(FRACTION, "lower end of its 95 % interval over seeds"),
    "optimism_high": Column(FRACTION, "its upper end"),
    # the other engine
    "frames": Column(COUNT, "frames that were scored"),
    "?_builtin": Column(FRACTION, "mean J or F by the built-in engine"),
    "?_official": Column(FRACTION, "mean J or F by davis2017-evaluation"),
    "largest_difference": Column(FRACTION, "between the engines in a single frame"),
    "evaluator": Column(TEXT, "present, or why davis2017-evaluation did not score"),
}
"""The columns of a study's files, by name, by file and name, or by a pattern."""
OF_COMPARISONS = {
    "method": Column(NAME, "as it was given"),
    "minus": Column(NAME, "the method that it is compared with, which is subtracted"),
    "minus_label": Column(TEXT, "the name of that in print"),
    "protocol": Column(NAME, "of the methods that were trained and run alike; unknown: not given"),
    "group": Column(TEXT, "letters: methods that share one are not told apart"),
    "rank_best": Column("rank", "1 + the number of methods decided better"),
    "rank_worst": Column("rank", "the number of methods - the number decided worse"),
    "training": Column("number", "in the order given, from 1 on"),
    "trainings": Column(COUNT, "trainings that were given"),
    "minus_trainings": Column(COUNT, "of the method that is subtracted"),
    "sequences": Column(COUNT, "sequences that the difference rests on"),
    "methods.J&F_low": Column(FRACTION, "lower end of the 95 % interval on sequences like these"),
    "methods.J&F_high": Column(FRACTION, "its upper end"),
    "pairs.difference_mean": Column(FRACTION, "J&F minus that of the other, over their objects"),
}
"""Those that only the files of compared methods have."""
COLUMNS = OF_STUDIES | OF_COMPARISONS

_HEAD = (
    "The CSV files of this folder. Accuracies, differences and standard deviations are fractions, "
    "in full; `.md` and `.tex` have the same in per cent with one decimal. An empty cell: "
    "none, or not asked."
)


def described(file: str, column: str) -> str:
    """The name, or the pattern, in `COLUMNS` that describes a column of a file.

    Raises:
        KeyError: none does.
    """
    for name in (f"{file}.{column}", column):
        if name in COLUMNS:
            return name
    found = [name for name in COLUMNS if "." not in name and fnmatchcase(column, name)]
    if not found:
        raise KeyError(f"{file}.csv: the column {column} is not described")
    return found[0]


def as_markdown(columns: Mapping[str, Iterable[str]]) -> str:
    """The data dictionary.

    Args:
        columns: of each file, by its name without suffix.

    Raises:
        KeyError: one of them is not described.
    """
    parts = ["# Data dictionary", _HEAD]
    for file, names in columns.items():
        rows = [COLUMNS[described(file, name)] for name in names]
        lines = (
            f"| `{name}` | {unit} | {markdown(meaning)} |"
            for name, (unit, meaning) in zip(names, rows, strict=True)
        )
        head = ["| column | unit | meaning |", "|---|---|---|"]
        parts.append(f"## `{file}.csv`\n\nA row: {markdown(ROWS.get(file, OF_A_BENCHMARK))}.")
        parts.append("\n".join([*head, *lines]))
    return "\n\n".join(parts) + "\n"
