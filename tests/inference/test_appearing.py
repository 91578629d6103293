"""Objects that appear later are given where they do, and ids stay those of the annotations."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.described_sets import (
    FOUR,
    LATE,
    ONE,
    SHAPE,
    VIDEO,
    labels,
    write_youtube_vos,
    youtube_vos,
)

from rgmp.config.method import Aggregation, Inference, Network
from rgmp.data.images import Labels, read_frame, read_labels
from rgmp.data.sequence import Sequence
from rgmp.inference.mask_folder import MaskFolder
from rgmp.inference.propagator import Propagator
from rgmp.inference.segment import segment_sequence
from rgmp.model.network import RGMP

CPU = torch.device("cpu")
AGGREGATIONS: tuple[Aggregation, ...] = ("softmax", "winner_take_all", "independent")


def network(reference: str = "first") -> RGMP:
    torch.manual_seed(0)
    settings = {"backbone": "resnet10", "width": 8, "decoder_width": 8, "reference": reference}
    return RGMP(Network.model_validate(settings)).eval()


def propagator(reference: str = "first", aggregation: Aggregation = "softmax") -> Propagator:
    settings = Inference(scales=(0.5, 1.0), aggregation=aggregation)
    return Propagator(network(reference), settings, CPU)


@pytest.fixture(scope="module")
def frames() -> list[Labels]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*SHAPE, 3), dtype=np.uint8) for _ in range(4)]


def given(*ids: int) -> Labels:
    return labels({number: {1: ONE, 2: FOUR}[number] for number in ids})


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("reference", ["first", "rolling", "none"])
def test_object_added_to_the_first_frame_is_as_if_it_had_been_given_with_the_others(
    frames: list[Labels], reference: str, aggregation: Aggregation
) -> None:
    together, one_by_one = (propagator(reference, aggregation) for _ in range(2))
    together.start(frames[0], given(1, 2))
    one_by_one.start(frames[0], given(1))
    found = one_by_one.add(frames[0], given(2), [2], torch.from_numpy(given(1)))
    assert (found.numpy() == given(1, 2)).all()
    for frame in frames[1:]:
        wanted, made = together.step(frame), one_by_one.step(frame)
        torch.testing.assert_close(one_by_one._soft, together._soft, rtol=1e-4, atol=1e-5)
        assert (made == wanted).float().mean() > 0.999


def test_ids_are_those_given_and_the_masks_the_same(frames: list[Labels]) -> None:
    counted, named = propagator(), propagator()
    counted.start(frames[0], given(1, 2))
    named.start(frames[0], labels({9: ONE, 200: FOUR}), [9, 200])
    for frame in frames[1:]:
        wanted, found = counted.step(frame), named.step(frame)
        assert found.dtype == torch.uint8
        assert (found == torch.tensor([0, 9, 200], dtype=torch.uint8)[wanted.int()]).all()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sequence]:
    root = write_youtube_vos(tmp_path_factory.mktemp("set"))
    return {sequence.name: sequence for sequence in youtube_vos(root).open()}


def segmented(sequence: Sequence, out: Path) -> dict[str, Labels]:
    segment_sequence(propagator(), sequence, out)
    return {path.stem: read_labels(path) for path in sorted(out.iterdir())}


def test_object_is_given_in_its_first_annotated_frame(
    videos: dict[str, Sequence], tmp_path: Path
) -> None:
    sequence = videos["0a1b"]
    masks = segmented(sequence, tmp_path / "masks")
    assert [*masks] == [*VIDEO], "a mask of every frame, annotated or not"
    assert (masks["00000"] == labels({1: ONE})).all()
    alone = propagator()
    alone.start(read_frame(sequence.frames[0]), labels({1: ONE}))
    for path in sequence.frames[1:3]:
        before = alone.step(read_frame(path)).numpy()
        if path.stem == "00005":
            assert (masks["00005"] == before).all(), "nothing of it is known before"
    appears = labels({4: FOUR}) == 4
    assert (masks["00010"][appears] == 4).all()
    assert (masks["00010"][~appears] == before[~appears]).all()
    assert all({*np.unique(mask)} <= {0, 1, 4} for mask in masks.values())


def test_frames_before_the_first_object_are_empty(
    videos: dict[str, Sequence], tmp_path: Path
) -> None:
    masks = segmented(videos["ff00"], tmp_path / "masks")
    assert [*masks] == [*LATE]
    assert not masks["00005"].any()
    assert (masks["00010"] == labels({7: ONE})).all()
    assert (masks["00015"][labels({2: FOUR}) == 2] == 2).all()


def test_annotations_that_give_nothing_are_not_read(
    videos: dict[str, Sequence], tmp_path: Path
) -> None:
    sequence = videos["0a1b"]
    assert [path.stem for path in sequence.as_given.annotations] == ["00000", "00010"]
    whole, as_given = (
        segmented(each, tmp_path / name)
        for name, each in (("a", sequence), ("b", sequence.as_given))
    )
    assert all((whole[name] == as_given[name]).all() for name in VIDEO)


def test_masks_are_kept_by_what_is_given_and_where(
    videos: dict[str, Sequence], tmp_path: Path
) -> None:
    settings = Inference(scales=(1.0,))
    folder = MaskFolder(tmp_path / "masks", network(), CPU, 1, {"weights": "a"})
    found = folder.segment(videos.values(), settings, lambda _: None)
    assert found.new == 2
    again = folder.segment((one.as_given for one in videos.values()), settings, lambda _: None)
    assert (again.new, again.places) == (0, found.places)


@pytest.mark.cuda
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_an_object_is_added_on_a_gpu_as_on_a_cpu(
    frames: list[Labels], aggregation: Aggregation
) -> None:
    def found(device: torch.device) -> Labels:
        settings = Inference(scales=(0.5, 1.0), aggregation=aggregation)
        one = Propagator(network(), settings, device)
        one.start(frames[0], given(1))
        steps = [one.add(frames[1], given(2), [2], one.step(frames[1]))]
        steps += [one.step(frame) for frame in frames[2:]]
        return np.stack([step.cpu().numpy() for step in steps])

    assert np.mean(found(torch.device("cuda")) == found(CPU)) > 0.999
