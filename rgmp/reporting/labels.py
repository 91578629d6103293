"""Words for print: what stages, bounds and measures are called."""

from rgmp.config.base import Stage
from rgmp.evaluation.job import Bound
from rgmp.evaluation.measures import Measure
from rgmp.evaluation.verdicts import Kind

STAGE_TITLES: dict[Stage, str] = {"pretrain": "Stage 1, stills", "finetune": "Stage 2, videos"}
BOUND_TITLES: dict[Bound, str] = {
    "floor": "floor: mask of frame 0 kept",
    "ceiling": "ceiling: truth at 1/4 resolution",
}
MEASURE_TITLES: dict[Measure, str] = {
    "J_mean": "J",
    "J_recall": "J recall",
    "J_decay": "J decay",
    "F_mean": "F",
    "F_recall": "F recall",
    "F_decay": "F decay",
    "J&F": "J&F",
}
UP, DOWN = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"
ARROWS: dict[str, str] = {
    **{title: DOWN if title.endswith("decay") else UP for title in MEASURE_TITLES.values()},
    **dict.fromkeys(("J, published", "F, published", "J&F, published"), UP),
    **dict.fromkeys(("J, authors", "F, authors", "J&F [interval]"), UP),
    **dict.fromkeys(("FPS", "ratio", "end to end", "as the authors", "of the limit"), UP),
    **dict.fromkeys(("s/frame", "fixed, ms", "per object, ms", "frame 0, s"), DOWN),
    **dict.fromkeys(("short, MB", "long, MB", "peak, MB"), DOWN),
}
"""Headers of columns of which more is better, or less."""
MARKS: dict[Kind, str] = {
    "better": "▲",
    "worse": "▼",
    "no difference beyond the margin": "■",
    "undecided": "○",
    "no verdict": "◇",
}
"""Of verdicts, in text; figures have the same shapes."""
REPEATED = "‖"
"""After what repeats a result: it rests on the same scores as on an earlier benchmark."""
PROTOCOL_TITLES = {
    "training_data": "trained on",
    "online_finetuning": "online fine-tuning",
    "input_size": "input",
    "scales": "scales",
    "flips": "flips",
    "precision": "precision",
    "fps_counts": "time per frame is of",
    "hardware": "timed on",
    "source": "said by",
}
