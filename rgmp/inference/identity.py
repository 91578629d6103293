"""The identity of masks: what can change them. Needs no torch."""

from collections.abc import Sequence

from rgmp.config.method import Inference
from rgmp.data.digests import digest_of_labels
from rgmp.data.images import Labels
from rgmp.runtime.files import digest_of


def identity_of(
    settings: Inference,
    threads: int | None,
    frames: str,
    objects: int,
    given: Sequence[tuple[int, Labels]],
) -> str:
    """Twelve hexadecimal digits for what decides the masks of a sequence, beside the weights.

    Aggregation does not count for one object, whose probability it leaves as it is
    (`rgmp.inference.aggregation`). A data set counts by what it reads from the annotations: a
    sequence with one object has the same masks in `davis2016` and `davis2017`.

    Args:
        settings: with the precision that `auto` stands for.
        threads: CPU threads, which decide the last bits.
        frames: a digest of the frames, in order.
        objects: how many there are.
        given: what is given, in order: the number of the frame, and the labels of the objects that
            it gives, uint8 (H, W).
    """
    matters = settings.model_dump(mode="json")
    if objects < 2:
        del matters["aggregation"]
    labels = [digest_of_labels(each) for _, each in given]
    later = [number for number, _ in given if number]  # frame 0 goes without saying
    return digest_of([matters, threads, frames, *labels, *([later] if later else [])])[:12]
