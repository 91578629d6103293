"""Writes the figures of a study, as PNG and PDF: legible in print, in grey and to the colour-blind.

They draw the numbers in `tables/*.csv`. The only statistics they compute are means and ranges over
the seeds, objects or frames of one sequence, or over the steps of a training curve. The
same tables give the same bytes.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rgmp.reporting import catalog
from rgmp.reporting.figures import style
from rgmp.runtime.files import atomic_path
from rgmp.study import layout
from rgmp.study.results import Results, load

Builder = Callable[[Results], Figure | str]
"""Draws a figure of a study, or says in a sentence why it has no data."""


def write(folder: Path) -> None:
    """Write every figure of the catalog into `folder/figures/` as .png and .pdf.

    A figure for which the study has no data says so in words.

    Raises:
        UserError: `folder` is not a study's folder, one of its files is broken, or its tables have
            not been written.
    """
    study = load(folder)
    with style.in_style():
        # all before the first is written: a broken file leaves the figures as they were
        drawn = {entry: builder_of(entry)(study) for entry in catalog.FIGURE_ENTRIES}
        for entry, shown in drawn.items():
            figure = _in_words(study, shown) if isinstance(shown, str) else shown
            said = {"Title": entry.title, "Subject": entry.alternative}
            save(figure, folder / layout.FIGURES / entry.name, said)


def save(figure: Figure, path: Path, said: Mapping[str, str]) -> None:
    """Save a figure at `path`, as .png and .pdf, laid out once, in `style.in_style`.

    Args:
        figure: what is saved.
        path: without a suffix.
        said: of the figure, by the names of a PDF's metadata: its title, and in `Subject` what is
            to be seen.
    """
    figure.set_dpi(mpl.rcParams["savefig.dpi"])
    with atomic_path(path.with_suffix(".png")) as temporary:
        _save_png(figure, temporary, said)  # which lays it out
    figure.set_layout_engine(None)
    with atomic_path(path.with_suffix(".pdf")) as temporary:
        # without the date, the same tables give the same bytes
        figure.savefig(temporary, metadata={"CreationDate": None, **said})


def builder_of(entry: catalog.FigureEntry) -> Builder:
    """What draws a figure of the catalog: `draw_<name>` in the module of its family."""
    builder: Builder = getattr(import_module(entry.module), f"draw_{entry.name}")
    return builder


def _save_png(figure: Figure, path: Path, said: Mapping[str, str]) -> None:
    """Save with what is said of it; with 32 levels a channel where there are frames.

    Frames look the same with them and take half the bytes.
    """
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    shown = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    if any(ax.images for ax in figure.axes):
        shown = shown.point([round(v * 31 / 255) * 255 // 31 for v in range(256)] * 3)
    text = PngInfo()
    text.add_text("Title", said["Title"])
    text.add_text("Description", said["Subject"])
    shown.save(path, "PNG", dpi=(figure.dpi, figure.dpi), pnginfo=text)


def _in_words(results: Results, sentence: str) -> Figure:
    figure = style.empty_figure(results, 1)
    figure.text(0.5, 0.6, sentence, ha="center", va="center")
    return figure
