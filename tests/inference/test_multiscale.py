"""Scales and padding are the authors', and passes fit into memory."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from support.reference_rgmp import lively
from support.videos import CPU, SMALL, labels_of, random_network, ten, video
from torch import Tensor

from rgmp.config.method import Inference, Network
from rgmp.errors import UserError
from rgmp.inference.multiscale import padding, scaled_size
from rgmp.inference.propagator import Propagator
from rgmp.model.network import RGMP, Reference


def test_geometry_of_480p() -> None:
    assert (padding(480), padding(854)) == ((16, 16), (5, 5))
    assert [scaled_size((512, 864), s) for s in (0.5, 0.75, 1.0)] == [
        (288, 448),
        (416, 672),
        (512, 864),
    ]


def test_padding_is_never_nothing_and_its_odd_pixel_comes_after() -> None:
    for size in range(1, 200):
        before, after = padding(size)
        assert (size + before + after) % 32 == 0
        assert 1 <= before + after <= 32
        assert after - before in {0, 1}
    assert padding(64) == (16, 16)
    assert padding(33) == (15, 16)


class Cramped(RGMP):
    """A network whose memory holds a few objects at once."""

    holds = 2
    seen: ClassVar[list[int]] = []

    def forward(
        self, frame: Tensor, previous_mask: Tensor, reference: Reference
    ) -> tuple[Tensor, Reference]:
        self.seen.append(len(previous_mask))
        if len(previous_mask) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nDetails")
        return super().forward(frame, previous_mask, reference)


def cramped(holds: int, reference: str = "first") -> Cramped:
    settings = Network.model_validate({**SMALL.model_dump(), "reference": reference})
    torch.manual_seed(0)
    network = Cramped(settings).eval()
    lively(network, 0)
    network.holds = holds
    return network


@pytest.mark.parametrize("reference", ["first", "rolling", "none"])
def test_out_of_memory_takes_smaller_chunks_and_gives_the_same(
    reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, labels = video(3, 45, 70), ten(45, 70)
    roomy = Propagator(cramped(99, reference), Inference(), CPU)
    wanted = labels_of(roomy, frames, labels)
    propagator = Propagator(cramped(2, reference), Inference(), CPU)
    Cramped.seen.clear()
    got = labels_of(propagator, frames, labels)
    assert np.mean(np.array(got) == wanted) > 0.999
    torch.testing.assert_close(propagator._soft, roomy._soft, atol=1e-4, rtol=1e-3)
    # ten objects and their union: 11, 6, 3, then two at once for good
    assert Cramped.seen[:4] == [11, 6, 3, 2]
    assert set(Cramped.seen[4:]) == {2, 1}
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "out of memory with 11 objects at once; retrying with 6"
    assert len(said) == 3


def test_a_memory_that_does_not_hold_one_object_is_said_in_a_line() -> None:
    propagator = Propagator(cramped(0), Inference(), CPU)
    propagator.start(video(1, 45, 70)[0], ten(45, 70))
    with pytest.raises(UserError, match=r"one object \(CUDA out of memory.*\); free") as caught:
        propagator.step(video(1, 45, 70)[0])
    assert "\n" not in str(caught.value)


def test_another_error_is_no_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(RGMP, "forward", broken)
    propagator = Propagator(random_network(), Inference(), CPU)
    propagator.start(video(1, 45, 70)[0], ten(45, 70))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        propagator.step(video(1, 45, 70)[0])
