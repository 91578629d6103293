"""A recorded step is kept for its shape, gives the same, and can be done without."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from support.videos import CPU, boxes, labels_of, ten, tensors_of, video
from torch import Tensor

from rgmp.config.method import Inference
from rgmp.inference.cuda_graph import StepFunction
from rgmp.inference.multiscale import Passes
from rgmp.inference.propagator import _GRAPHS, Propagator
from rgmp.model.network import RGMP, Reference


class Replayed:
    """Stands for a CUDA graph: fixed places for what goes in and for what comes out."""

    made: ClassVar[list[tuple[int, ...]]] = []

    def __init__(
        self,
        step: StepFunction,
        frame: Tensor,
        soft: Tensor,
        references: Sequence[Reference],
        _: object,
    ) -> None:
        self.made.append(tuple(soft.shape))
        self.step = step
        self.frame, self.soft = frame.clone(), soft.clone()
        self.outputs = step(self.frame, self.soft, references)

    def __call__(
        self, frame: Tensor, soft: Tensor, references: Sequence[Reference]
    ) -> tuple[Tensor, Tensor, Sequence[Reference]]:
        self.frame.copy_(frame)
        self.soft.copy_(soft)
        found = self.step(self.frame, self.soft, references)
        for place, new in zip(tensors_of(self.outputs), tensors_of(found), strict=True):
            place.copy_(new)
        return self.outputs


@pytest.fixture
def replayed(network: RGMP, monkeypatch: pytest.MonkeyPatch) -> Propagator:
    Replayed.made.clear()
    monkeypatch.setattr("rgmp.inference.propagator.Graph", Replayed)
    propagator = Propagator(network, Inference(scales=(1.0,)), CPU)
    propagator.records = True
    return propagator


def test_a_recorded_step_is_kept_for_its_shape_and_gives_the_same(
    network: RGMP, replayed: Propagator
) -> None:
    plain = Propagator(network, Inference(scales=(1.0,)), CPU)
    two = boxes(45, 70, (5, 10, 30, 35), (20, 30, 44, 66))
    for frames, labels in ((video(4, 45, 70), two), (video(3, 45, 70), np.minimum(two, 1))) * 2:
        wanted = labels_of(plain, frames, labels)
        np.testing.assert_array_equal(labels_of(replayed, frames, labels), wanted)
    assert Replayed.made == [(2, 64, 96), (1, 64, 96)]


def test_only_a_few_shapes_stay_recorded(replayed: Propagator) -> None:
    for width in (*range(40, 400, 32), 40):
        frames = video(2, 33, width)
        labels_of(replayed, frames, boxes(33, width, (5, 5, 20, 20)))
        assert len(replayed._graphs) <= _GRAPHS
    assert Replayed.made[-1] == Replayed.made[0]


def test_without_a_graph_it_goes_on_and_says_why(
    network: RGMP, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nlong story")

    monkeypatch.setattr("rgmp.inference.propagator.Graph", refuse)
    propagator = Propagator(network, Inference(), CPU)
    propagator.records = True
    frames, labels = video(3, 45, 70), ten(45, 70)
    wanted = labels_of(Propagator(network, Inference(), CPU), frames, labels)
    np.testing.assert_array_equal(labels_of(propagator, frames, labels), wanted)
    assert capsys.readouterr().err == (
        "no CUDA graph (operation not permitted when stream is capturing); "
        "falling back to eager execution\n"
    )


def test_a_capture_without_memory_is_tried_again_with_fewer_objects_at_once(
    network: RGMP, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The capture itself, whose batches stay as they are: its warm-ups come anew with each."""
    captures: list[bool] = []

    class Cramped(Replayed):
        """Has room for a capture of three masks at once."""

        def __init__(self, step: StepFunction, *state: Any) -> None:
            super().__init__(step, *state)  # warm-ups, which may take smaller batches
            limited, is_captured = while_capturing(3), False
            try:
                step(*state[:3])
                is_captured = True
            finally:
                captures.append(is_captured)
                limited.undo()

    monkeypatch.setattr("rgmp.inference.propagator.Graph", Cramped)
    propagator = Propagator(network, Inference(scales=(1.0,)), CPU)
    propagator.records = True
    frames, labels = video(3, 45, 70), ten(45, 70)
    wanted = labels_of(Propagator(network, Inference(scales=(1.0,)), CPU), frames, labels)
    assert np.mean(np.array(labels_of(propagator, frames, labels)) == wanted) > 0.999
    assert captures == [False, False, True]
    assert propagator.records
    assert capsys.readouterr().err.splitlines() == [
        "out of memory with 11 objects at once; retrying with 6",
        "out of memory with 6 objects at once; retrying with 3",
    ]


def while_capturing(most: int) -> pytest.MonkeyPatch:
    """Let memory hold so many masks at once, while a step is captured, until that is undone."""
    real = Passes._pass

    def cramped(passes: Passes, scale: float, frame: Tensor, masks: Tensor, *more: Any) -> Any:
        if len(masks[more[-1]]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(passes, scale, frame, masks, *more)

    patch = pytest.MonkeyPatch()
    patch.setattr(Passes, "_pass", cramped)
    patch.setattr("rgmp.inference.multiscale._is_capturing", lambda: True)
    return patch
