"""The graph of a study: which job depends on which, and which variants share a training run."""

import textwrap
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from rgmp.config.base import STAGES
from rgmp.reporting.figures.style import distinct, empty_figure
from rgmp.reporting.labels import STAGE_TITLES
from rgmp.study.jobs import Kind, jobs_of
from rgmp.study.paper_order import paper_order, trainings_in_order
from rgmp.study.plan import Plan
from rgmp.study.references import files_of, reference_of
from rgmp.study.results import Results

WAITS_FOR: dict[Kind, tuple[Kind, ...]] = {
    "mini": (),
    "check": ("mini",),
    "train": ("check",),
    "evaluate": ("train",),
    "speed": ("train",),
    "bounds": ("check",),
    "score": ("check",),
    "cross-check": ("evaluate", "score"),
    "tables": ("cross-check", "speed", "bounds"),
    "figures": ("tables",),
    "track": ("figures",),
    "report": ("track",),
    "agree": ("report",),
}
"""Each command of the workflow and those it waits for directly."""

_PLACES_OF_COMMANDS: dict[Kind, tuple[float, float]] = {  # column, row
    "mini": (0, 1),
    "check": (1, 1),
    "train": (2, 0.5),
    "evaluate": (3, 0),
    "speed": (3, 1),
    "bounds": (3, 2),
    "score": (3, 3),
    "cross-check": (4, 0),
    "tables": (5, 1),
    "figures": (6, 1),
    "track": (7, 1),
    "report": (8, 1),
    "agree": (9, 1),
}


def draw_dag(results: Results) -> Figure:
    """Which command waits for which, how often each runs, and who shares a training run."""
    plan = results.plan
    counts = jobs(plan, compared=bool(files_of(reference_of(results.folder))))
    rows = 1 + max(_PLACES_OF_COMMANDS[name][1] for name in counts)
    shown = [variant for variant in distinct(results) if variant in results.variants]
    above_height, height = 0.5 * rows, 0.36 * (len(shown) + 1)
    figure = empty_figure(results, 0.4 + above_height + height)
    above, below = figure.subplots(2, 1, height_ratios=[above_height, height])
    _draw_jobs(above, counts)
    above.set_title("Jobs of the study", loc="left")
    _draw_sharing(below, plan, shown)
    hidden = len(plan.variants) - len(shown)
    others = f"; not shown: {hidden} variants closer to {results.label('full')}" if hidden else ""
    below.set_title(f"Shared training runs, for each seed{others}", loc="left")
    return figure


@dataclass(frozen=True)
class Node:
    """A training run, or a variant, in the tree of what is shared.

    Attributes:
        label: of the variant, or of the first that needs the training run.
        column: 0 and 1 for the stages, 2 for variants.
        row: from the top; a parent is centred on what depends on it.
        parent: position, in the list, of the training run that this depends on.
    """

    label: str
    column: int
    row: float
    parent: int | None


def jobs(plan: Plan, *, compared: bool) -> dict[Kind, int]:
    """How often each command runs in the whole study.

    Args:
        plan: of the study.
        compared: whether the study has a finished reference, with which it is compared.
    """
    counts = Counter(job.kind for job in jobs_of(plan, {}, compared=compared))
    return {name: counts[name] for name in WAITS_FOR if counts[name]}


def sharing(plan: Plan, variants: Collection[str]) -> list[Node]:
    """The training runs of one seed and the variants that depend on them: a forest, parents first.

    Variants that share a training run are adjacent, so no two lines cross; beyond that, they stand
    in the order of the paper, as the training runs do.

    Args:
        plan: of the study.
        variants: those that are shown, with their training runs.
    """
    seed = plan.seeds[0]
    chains = {
        v.name: next(r.trainings for r in v.runs if r.seed == seed)
        for v in plan.variants
        if v.name in variants
    }
    of_seed = [training for training in trainings_in_order(plan) if training.seed == seed]
    order = paper_order(plan)
    first = {training.identity: order.index(training.variants[0]) for training in of_seed}
    names = sorted(  # those with weights from elsewhere last
        chains,
        key=lambda name: (
            not chains[name],
            [*map(first.__getitem__, chains[name]), order.index(name)],
        ),
    )
    nodes: list[Node] = []
    places: dict[str, int] = {}
    for column, stage in enumerate(STAGES):
        for training in (training for training in of_seed if training.stage == stage):
            rows = [row for row, name in enumerate(names) if training.identity in chains[name]]
            if not rows:
                continue
            parent = places.get(training.parent or "")
            label = plan.variant(training.variants[0]).label
            places[training.identity] = len(nodes)
            nodes.append(Node(label, column, sum(rows) / len(rows), parent))
    for row, name in enumerate(names):
        parent = places[chains[name][-1]] if chains[name] else None
        nodes.append(Node(plan.variant(name).label, len(STAGES), row, parent))
    return nodes


def _draw_jobs(ax: Axes, counts: Mapping[Kind, int]) -> None:
    """A box for each command with how often it runs, and arrows to those that wait for it."""
    width, height = 0.78, 0.62
    for name, count in counts.items():
        x, y = _PLACES_OF_COMMANDS[name]
        times = f"\n{count}\N{MULTIPLICATION SIGN}" if count > 1 else ""
        _box(ax, x, y, width, height, name + times)
        for before in WAITS_FOR[name]:
            if before in counts:
                from_x, from_y = _PLACES_OF_COMMANDS[before]
                ends = (from_x + width, from_y), (x, y)
                arrow = {"arrowstyle": "-|>", "lw": 0.8, "shrinkA": 0, "shrinkB": 0, "color": "0.3"}
                ax.annotate("", ends[1], ends[0], arrowprops=arrow)
    last, lowest = (
        max(places) for places in zip(*(_PLACES_OF_COMMANDS[n] for n in counts), strict=True)
    )
    ax.set(xlim=(-0.05, last + width + 0.05), ylim=(lowest + 0.5, -0.5))
    ax.axis("off")


def _draw_sharing(ax: Axes, plan: Plan, variants: Collection[str]) -> None:
    """The tree of `sharing`: a column for each stage's training runs, and one for variants."""
    nodes, width = sharing(plan, variants), 0.72
    for node in nodes:
        _box(ax, node.column, node.row, width, 0.78, textwrap.fill(node.label, 32))
        if node.parent is not None:
            parent = nodes[node.parent]
            bend = parent.column + width + 0.1
            xs = (parent.column + width, bend, bend, node.column)
            ax.plot(xs, (parent.row, parent.row, node.row, node.row), color="0.3", lw=0.8, zorder=0)
    trained = Counter(t.stage for t in plan.trainings if t.seed == plan.seeds[0])
    titles = [f"{STAGE_TITLES[stage]}: {trained[stage]}" for stage in STAGES]
    for column, title in enumerate((*titles, f"Variants: {len(plan.variants)}")):
        ax.text(column, -0.9, title, fontsize=8, weight="bold", va="center")
    ax.set(xlim=(-0.03, len(STAGES) + width + 0.03), ylim=(len(variants) - 0.5, -1.3))
    ax.axis("off")


def _box(ax: Axes, x: float, y: float, width: float, height: float, text: str) -> None:
    """A box whose left edge is at x and whose middle is at y."""
    style = "round,pad=0,rounding_size=0.05"
    corner = (x, y - height / 2)
    ax.add_patch(FancyBboxPatch(corner, width, height, style, fc="0.95", ec="0.3", lw=0.8))
    ax.text(x + width / 2, y, text, ha="center", va="center", fontsize=7, linespacing=1.05)
