"""What kind of annotations a DAVIS tree has: the foreground, as DAVIS-2016, or objects.

The archives of both years unpack to the same folders, with the same frames and file names, but the
masks differ, and so do scores on them. RGMP's authors score DAVIS-2016 on the masks of DAVIS-2017
made binary, davischallenge.org on those of DAVIS-2016.
"""

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np

from rgmp.data.davis import VOID
from rgmp.data.images import read_labels
from rgmp.data.sequence import Sequence

Annotation = Literal["foreground", "objects_made_binary", "mixed", "objects"]
"""`foreground`: 0 and 255, as DAVIS-2016 has it; `objects`: 1, 2, ..., as DAVIS-2017."""
ANNOTATIONS: tuple[Annotation, ...] = get_args(Annotation)

IN_WORDS: dict[Annotation, str] = {
    "foreground": "annotations of the foreground (0 and 255), as DAVIS-2016's own",
    "objects_made_binary": "annotations of objects, as DAVIS-2017's, made binary",
    "mixed": "annotations of the foreground of some sequences, of objects of others",
    "objects": "annotations of objects",
}


def annotation_of(sequences: Iterable[Sequence]) -> Annotation:
    """What kind of annotations sequences are scored on; frame 0 of each tells.

    Raises:
        UserError: frame 0 of one cannot be read.
    """
    listed = [*sequences]
    if any(sequence.dataset.has_several for sequence in listed):
        return "objects"
    own = {_is_foreground(sequence) for sequence in listed}
    if own == {True}:
        return "foreground"
    return "mixed" if True in own else "objects_made_binary"


def _is_foreground(sequence: Sequence) -> bool:
    """Whether frame 0 has no value but 0 and 255, which in DAVIS-2017 is no object."""
    counts = np.bincount(read_labels(sequence.annotations[0]).ravel(), minlength=VOID + 1)
    return not counts[1:VOID].any()
