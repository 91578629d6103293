"""The variants of this project: each is one switch, and each switch does something."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from support.tiny_training import HEIGHT, WIDTH
from torch import Tensor

from rgmp.config.load import load_study, load_variants
from rgmp.config.method import Method, Network
from rgmp.config.study import Variant
from rgmp.data.sample import Sample
from rgmp.inference.aggregation import aggregate, needs_union
from rgmp.model.network import RGMP
from rgmp.training.unroll import Unrolling, unroll

PROJECT = Path(__file__).parents[2]
STUDY = PROJECT / "workflow/config/mini.yaml"
VARIANTS = {
    "full",
    "no_synthetic",
    "no_finetune",
    "no_bptt",
    "detached_bptt",
    "rolling_reference",
    "no_reference",
    "no_previous_mask",
    "winner_take_all",
    "independent",
}


def every_variant() -> dict[str, tuple[Variant, Method]]:
    """Each file of ablations/ upon the default study, which runs only some of them."""
    names = tuple(path.stem for path in (PROJECT / "ablations").glob("*.yaml"))
    study = load_study(STUDY).model_copy(update={"without": (), "variants": names})
    return load_variants(study, STUDY, PROJECT / "ablations")


@pytest.fixture(scope="module")
def methods() -> dict[str, Method]:
    found = every_variant()
    return {name: method for name, (_, method) in found.items()}


def leaves(overrides: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in overrides.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_there_are_the_variants_of_the_paper_and_of_its_public_loop(
    methods: dict[str, Method],
) -> None:
    assert set(methods) >= VARIANTS


def test_each_differs_from_full_by_exactly_one_switch() -> None:
    found = every_variant()
    for name, (variant, method) in found.items():
        switches = list(leaves(variant.overrides))
        assert len(switches) == (name != "full"), name
        assert (method == found["full"][1]) is (name == "full")


def test_the_readme_has_the_switch_and_the_claim_of_each() -> None:
    text = (PROJECT / "ablations/README.md").read_text(encoding="utf-8")
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if ".yaml` |" in line]
    found = every_variant()
    assert {row[0] for row in table} == {f"`{name}.yaml`" for name in found}
    for file, switch, claim in table:
        variant, _ = found[file.strip("`").removesuffix(".yaml")]
        assert claim == variant.claim
        if variant.overrides:
            key, value = switch.strip("`").split(": ")
            expected = variant.overrides
            for part in key.split("."):
                expected = expected[part]
            assert yaml.safe_load(value) == expected


# ---- what each switch does ----


def network(method: Method) -> RGMP:
    torch.manual_seed(0)
    tiny = {"backbone": "resnet10", "width": 4, "decoder_width": 4}
    return RGMP(Network.model_validate({**method.network.model_dump(), **tiny})).train()


def clip() -> Sample:
    generator = torch.Generator().manual_seed(1)
    masks = torch.zeros((1, 4, HEIGHT, WIDTH), dtype=torch.uint8)
    for t in range(4):
        masks[:, t, 20:44, 20 + 4 * t : 60 + 4 * t] = 1
    frames = torch.rand((1, 4, 3, HEIGHT, WIDTH), generator=generator)
    return Sample(frames, masks, masks[:, 0].float())


def predictions(method: Method, sample: Sample) -> list[Tensor]:
    """Logits of every target, as in training."""
    net, seen = network(method), []
    net.decoder.register_forward_hook(lambda _, __, heads: seen.append(heads[0]))
    for _ in unroll(net, sample, Unrolling(method.finetune.bptt)):
        pass
    return seen


def learns_through_time(method: Method) -> bool:
    """Whether the last prediction's gradient reaches the first."""
    first, _, last = predictions(method, clip())
    (gradient,) = torch.autograd.grad(last.sum(), first, allow_unused=True)
    return gradient is not None and bool(gradient.any())


def sees_its_own_masks(method: Method) -> bool:
    """Whether a target is segmented with what was predicted before it, not with the truth."""
    sample, other = clip(), clip()
    other.masks[:, 1:] = 0
    mine, theirs = (predictions(method, s)[-1] for s in (sample, other))
    return torch.equal(mine, theirs)


def sees(change: Callable[[Sample], None]) -> Callable[[Method], list[bool]]:
    """Of each target, whether a change of what is fed in changes what is predicted there."""

    def changed(method: Method) -> list[bool]:
        other = clip()
        change(other)
        pairs = zip(predictions(method, clip()), predictions(method, other), strict=True)
        return [not torch.equal(a, b) for a, b in pairs]

    return changed


def _another_reference(sample: Sample) -> None:
    sample.frames[:, 0] = 1 - sample.frames[:, 0]
    sample.masks[:, 0] = 1 - sample.masks[:, 0]


def _another_guidance(sample: Sample) -> None:
    sample.guidance[:] = 1 - sample.guidance


def without_feedback(method: Method) -> Method:
    """Fed the true masks, so that frames depend on one another by the reference alone."""
    return method.model_copy(
        update={"finetune": method.finetune.model_copy(update={"bptt": "none"})}
    )


def aggregated(method: Method) -> list[float]:
    """What the next frame sees of two objects that claim one pixel."""
    alone, way = torch.tensor([[[0.8]], [[0.6]]]), method.inference.aggregation
    union = torch.tensor([[0.9]]) if needs_union(way, 2) else None
    return [round(value, 3) for value in aggregate(alone, union, way)[0].flatten().tolist()]


BEHAVIOUR: dict[str, Callable[[Method], Any]] = {
    "no_synthetic": lambda method: method.stages,
    "no_finetune": lambda method: method.stages,
    "no_bptt": sees_its_own_masks,
    "detached_bptt": learns_through_time,
    "rolling_reference": lambda m: sees(_another_reference)(without_feedback(m)),
    "no_reference": sees(_another_reference),
    "no_previous_mask": sees(_another_guidance),
    "winner_take_all": aggregated,
    "independent": aggregated,
}
EXPECTED: dict[str, tuple[Any, Any]] = {
    "no_synthetic": (("pretrain", "finetune"), ("finetune",)),
    "no_finetune": (("pretrain", "finetune"), ("pretrain",)),
    "no_bptt": (True, False),
    "detached_bptt": (True, False),
    "rolling_reference": ([True, True, True], [True, False, False]),
    "no_reference": ([True, True, True], [False, False, False]),
    "no_previous_mask": ([True, True, True], [False, False, False]),
    # odds of 4, 1.5 and, of the background, 1/9
    "winner_take_all": ([0.713, 0.267], [0.8, 0.0]),
    "independent": ([0.713, 0.267], [0.8, 0.6]),
}


@pytest.mark.parametrize("name", sorted(BEHAVIOUR))
def test_the_switch_does_something(name: str, methods: dict[str, Method]) -> None:
    behaviour = BEHAVIOUR[name]
    assert (behaviour(methods["full"]), behaviour(methods[name])) == EXPECTED[name]
