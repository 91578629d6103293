"""What kind of annotations a DAVIS tree has: the foreground, as DAVIS-2016, or objects.

The archives of both years unpack to the same folders, with the same frames and file names, but the
masks differ, and so do scores on them. RGMP's authors score DAVIS-2016 on the masks of DAVIS-2017
made binary, davischallenge.org on those of DAVIS-2016.
"""

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np

from rgmp.config.base import Benchmark
from rgmp.data.davis import VOID, Sequence
from rgmp.data.images import read_labels

Annotation = Literal["foreground", "objects_made_binary", "mixed", "objects"]
"""`foreground`: 0 and 255, as DAVIS-2016 has it; `objects`: 1, 2, ..., as DAVIS-2017."""
ANNOTATIONS: tuple[Annotation, ...] = get_args(Annotation)

IN_WORDS: dict[Annotation, str] = {
    "foreground": "DAVIS-2016's own annotations (0 and 255)",
    "objects_made_binary": "annotations of objects, as DAVIS-2017's, made binary",
    "mixed": "DAVIS-2016's own annotations of some sequences, those of objects of others",
    "objects": "annotations of objects",
}


def annotation_of(sequences: Iterable[Sequence], benchmark: Benchmark) -> Annotation:
    """What kind of annotations sequences are scored on; frame 0 of each tells.

    Raises:
        UserError: frame 0 of one cannot be read.
    """
    if benchmark == "davis2017":
        return "objects"
    own = {_is_foreground(sequence) for sequence in sequences}
    if own == {True}:
        return "foreground"
    return "mixed" if True in own else "objects_made_binary"


def _is_foreground(sequence: Sequence) -> bool:
    """Whether frame 0 has no value but 0 and 255, which in DAVIS-2017 is no object."""
    counts = np.bincount(read_labels(sequence.annotations[0]).ravel(), minlength=VOID + 1)
    return not counts[1:VOID].any()
