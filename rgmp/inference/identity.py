"""The identity of masks: what can change them. Needs no torch."""

from rgmp.config.method import Inference
from rgmp.data import davis
from rgmp.data.digests import digest_of_labels
from rgmp.data.images import Labels
from rgmp.runtime.files import digest_of


def identity_of(settings: Inference, threads: int | None, frames: str, reference: Labels) -> str:
    """Twelve hexadecimal digits for what decides the masks of a sequence, beside the weights.

    Aggregation does not count for one object, whose probability it leaves as it is
    (`rgmp.inference.aggregation`). A benchmark counts by what it reads from the reference: a
    sequence with one object has the same masks in `davis2016` and `davis2017`.

    Args:
        settings: with the precision that `auto` stands for.
        threads: CPU threads, which decide the last bits.
        frames: a digest of the frames, in order.
        reference: the mask of frame 0 as its benchmark reads it, uint8 (H, W); void is background.
    """
    matters = settings.model_dump(mode="json")
    if len(davis.object_ids(reference)) < 2:
        del matters["aggregation"]
    objects = davis.without_void(reference)
    return digest_of([matters, threads, frames, digest_of_labels(objects)])[:12]
