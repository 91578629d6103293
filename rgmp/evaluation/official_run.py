"""One run of davis2017-evaluation's own class, in a process that it may end.

The class sees a tree of its own, with a few frames of one sequence. In it lie the files themselves
wherever the class, which reads palette indices and grey values as stored, takes them for what they
are; else what they mean: of DAVIS-2016's annotations, 0 and 255, the foreground would be void.
"""

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from rgmp.config.base import Benchmark
from rgmp.config.dataset import DAVIS
from rgmp.data import davis
from rgmp.data.encodings import read_mask
from rgmp.data.images import Labels, Like
from rgmp.data.mask_source import MaskFile
from rgmp.data.sequence import read_annotation
from rgmp.data.tree import davis_tree

_SET = "val"
Figures = npt.NDArray[np.float64]


class Run(NamedTuple):
    """What one run evaluates: frames of a sequence, and one before and one after, not scored.

    Attributes:
        place: a new folder for the tree; it is removed afterwards.
        sequence: name of the sequence.
        benchmark: what counts as an object.
        objects: how many the truth has.
        annotations: of frame 0, of the frames that are scored, and of one more.
        masks: of the frames that are scored.
    """

    place: Path
    sequence: str
    benchmark: Benchmark
    objects: int
    annotations: tuple[Path, ...]
    masks: tuple[MaskFile, ...]

    @property
    def frames(self) -> list[str]:
        """The names of the frames that are scored."""
        return [path.stem for path in self.annotations[1:-1]]


class Answer(NamedTuple):
    """J and F, float (K, T) each by object and frame; or what the evaluator did instead."""

    J: Figures
    F: Figures
    fault: str = ""


def missing() -> str:
    """What of the evaluator cannot be imported, if anything."""
    try:
        import davis2017.evaluation  # noqa: F401, PLC0415 - optional
        import skimage.morphology  # noqa: F401, PLC0415 - imported only when it measures
    except ImportError as error:
        return str(error)
    return ""


def evaluate(run: Run) -> Answer:
    """Evaluate masks as the evaluator's script does; what it prints is kept from the user.

    Raises:
        UserError: an annotation or a mask cannot be read.
    """
    try:
        _lay_out(run)
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            return _of_class(run, said)
    finally:
        shutil.rmtree(run.place, ignore_errors=True)


def _lay_out(run: Run) -> None:
    """Make the tree: a split of one sequence; its annotations; frames, which are only counted."""
    tree = davis_tree(run.place / "davis", "davis2017", _SET)
    annotations, frames = tree.annotations_of(run.sequence), tree.frames_of(run.sequence)
    masks = run.place / "masks" / run.sequence
    for folder in (annotations, frames, masks):
        folder.mkdir(parents=True)
    tree.write_split([run.sequence])
    dataset, objects = DAVIS[run.benchmark], range(1, run.objects + 1)
    for path in run.annotations:
        (frames / f"{path.stem}.jpg").touch()
        labels = read_annotation(path, dataset)
        _put(MaskFile(path), labels, annotations / path.name)
    like = Like("its annotation", labels.shape)
    for frame, mask in zip(run.frames, run.masks, strict=True):
        labels = read_mask(mask, dataset, objects, like).labels
        _put(mask, labels, masks / f"{frame}.png")


def _put(file: MaskFile, labels: Labels, path: Path) -> None:
    """Link to a file if what it stores are these labels; else write them."""
    with file.open() as opened, Image.open(opened) as image:
        is_theirs = not file.member and np.array_equal(np.asarray(image), labels)
    if is_theirs:
        path.symlink_to(file.place.absolute())
    else:
        davis.image_of(labels).save(path, compress_level=1)


def _of_class(run: Run, said: io.StringIO) -> Answer:
    """Run the class in the tree, and take J and F of every frame where it has just measured them.

    Whatever it raises is a fault of its own: it does with its input what it likes.
    """
    from davis2017.evaluation import DAVISEvaluation  # noqa: PLC0415 - optional

    measured: list[tuple[Figures, Figures]] = []

    class Noted(DAVISEvaluation):  # type: ignore[misc]
        @staticmethod
        def _evaluate_semisupervised(*masks: Any) -> Any:
            found = DAVISEvaluation._evaluate_semisupervised(*masks)
            measured.append(found)
            return found

    try:
        evaluation = Noted(davis_root=str(run.place / "davis"), task="semi-supervised", gt_set=_SET)
        reported = evaluation.evaluate(str(run.place / "masks"))
        fault = _unlike(run, measured, reported)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        fault = f"ended with status {status} before it had scores, saying: {_last(said)}"
    except Exception as error:
        fault = f"failed ({type(error).__name__}: {error})"
    if fault:
        return Answer(_NONE, _NONE, fault)
    return Answer(*measured[0])


_NONE: Figures = np.empty((0, 0))


def _unlike(run: Run, measured: list[tuple[Figures, Figures]], reported: Any) -> str:
    """In what J and F differ from those it should have, and reports as means; nothing, if so."""
    shape = (run.objects, len(run.frames))
    if [figures.shape for pair in measured for figures in pair] != [shape, shape]:
        return f"did not measure {run.objects} objects in {len(run.frames)} frames"
    for name, figures in zip("JF", measured[0], strict=True):
        means = [*reported[name]["M_per_object"].values()]
        if not np.allclose(means, figures.mean(axis=1), rtol=0, atol=1e-12):
            return f"reports other means of {name} than it measured"
    return ""


def _last(said: io.StringIO) -> str:
    """The last that it said, in a line."""
    return " ".join(said.getvalue().split())[-_LONGEST:] or "nothing"


_LONGEST = 300
"""Characters of the evaluator's own words that a message has."""
