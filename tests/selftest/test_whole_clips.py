"""A whole clip's time is divided among computing and what is waited for."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.videos import CPU, random_network

from rgmp.config.method import Inference
from rgmp.data import davis
from rgmp.data.images import read_frame
from rgmp.inference import segment
from rgmp.selftest import whole_clips
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.whole_clips import COMPUTING, FIRST, LAST, NEXT, WAITING, WatchedPropagator


def propagator() -> WatchedPropagator:
    return WatchedPropagator(random_network(), Inference(scales=(1.0,)), CPU)


def test_shares_of_a_clip_add_up_and_its_masks_are_removed(tmp_path: Path) -> None:
    clip = timed_clip(tmp_path / "clip", 4, (45, 70), 1)
    found = whole_clips.segmented(propagator(), clip.sequence, tmp_path)
    assert sum(found[what] for what in (COMPUTING, *WAITING)) == pytest.approx(1)
    assert all(found[what] > 0 for what in (COMPUTING, *WAITING))
    assert 0 <= found["reading"] + found["writing"] < 1
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]


@pytest.mark.parametrize("slow", [FIRST, NEXT, LAST])
def test_what_is_waited_for_is_told_apart(
    slow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thing takes half a second; the rest of a tiny clip takes far less."""
    clip = timed_clip(tmp_path / "clip", 20, (45, 70), 1)
    pause = {FIRST: "00000.jpg", NEXT: "00012.jpg"}

    def reading(path: Path) -> Any:
        time.sleep(0.5 if path.name == pause.get(slow) else 0)
        return read_frame(path)

    def writing(path: Path, labels: Any) -> None:
        time.sleep(0.5 if slow == LAST and path.name == "00019.png" else 0)
        assert labels.shape == (45, 70)

    monkeypatch.setattr(segment, "read_frame", reading)
    monkeypatch.setattr(davis, "write_mask", writing)
    watched = propagator()
    whole_clips.segmented(watched, clip.sequence, tmp_path)  # nothing is new any more
    found = whole_clips.segmented(watched, clip.sequence, tmp_path)
    assert max(WAITING, key=lambda what: found[what]) == slow
    assert found[slow] * found["clip"] >= 0.3


def test_watching_changes_no_labels(tmp_path: Path) -> None:
    clip = timed_clip(tmp_path / "clip", 3, (45, 70), 2)
    plain, watched = propagator(), propagator()
    watched.watch()
    for each in (plain, watched):
        each.start(clip.frames[0], clip.labels)
    one, other = (torch.stack([p.step(f) for f in clip.frames[1:]]) for p in (plain, watched))
    assert torch.equal(one, other)
    assert len(np.unique(one.numpy())) > 1
    assert {*watched.noted()} == {COMPUTING, *WAITING}
    assert watched._moments is None
