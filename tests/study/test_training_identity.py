"""A training's identity is what can change its weights: all of that, and nothing else."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.tiny_plan import (
    USER_VARIANTS,
    Change,
    folders,
    identities,
    put,
    resolved,
    write_variant,
)
from support.tiny_study import STUDY

from rgmp.errors import UserError
from rgmp.study import resolve
from rgmp.study.plan import load_plan
from rgmp.study.planned import Training

PROJECT = Path(__file__).parents[2]

# ---- who shares what ----


@pytest.mark.usefixtures("here")
def test_user_variants_share_all_that_they_can() -> None:
    found = resolved()
    assert len(found.trainings) == 12  # 2 full, 1 no_bptt, 2 no_reference, 1 no_synthetic; 2 seeds
    assert len({training.identity for training in found.trainings}) == 12
    assert len(folders(found)) == 12
    for seed in (0, 1):
        of = {name: identities(found, name, seed) for name in USER_VARIANTS}
        assert of["winner_take_all"] == of["full"]
        assert of["no_bptt"][0] == of["full"][0]
        assert of["no_bptt"][1] != of["full"][1]
        assert not set(of["no_reference"]) & set(of["full"])
        assert len(of["no_synthetic"]) == 1
        assert of["no_synthetic"][0] not in of["full"]


@pytest.mark.usefixtures("here")
def test_two_variants_alike_train_once() -> None:
    before = resolved()
    write_variant("one_scale", inference={"scales": [0.5]})
    write_variant("same", pretrain=STUDY["pretrain"], network={"reference": "first"})
    after = resolved()
    assert identities(after, "one_scale") == identities(after, "same") == identities(before)
    assert len(after.trainings) == len(before.trainings)


@pytest.mark.usefixtures("here")
def test_seeds_and_stages_are_told_apart() -> None:
    found = resolved()
    assert not set(identities(found, seed=0)) & set(identities(found, seed=1))
    assert identities(found, "no_synthetic")[0] != identities(found)[1]


# ---- what changes an identity ----


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "change",
    [
        put("title", "Another"),
        put("benchmarks", ["davis2016"]),
        put("inference", {"scales": [0.5], "aggregation": "independent", "precision": "bf16"}),
        put("machine", {"device": "cuda", "workers": 4, "checkpoint_seconds": 1}),
        put("machine", {"processes": 2, "recompute_activations": True}),
        put("speed", {"repeats": 9}),
        put("variants", ["full"]),
        put("seeds", [7, 0]),
        put("margin", 1.5),
        put("finetune.keep_last", 2),
        put("finetune.save_interval", 1),
        put("finetune.ema_ratio", None),
        put("pretrain.rotation", [-20, 20]),  # its default, written out
        put("pretrain.learning_rate", "1e-3"),  # the same number
        put("network.width", 4.0),
    ],
)
def test_what_cannot_change_the_weights_changes_no_identity(change: Change) -> None:
    assert identities(resolved(change)) == identities(resolved())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (put("network.width", 8), "both"),
        (put("network.decoder_width", 8), "both"),
        (put("network.reference", "none"), "both"),
        (put("network.backbone", "resnet18"), "both"),
        (put("compute.threads", 2), "both"),
        (put("compute.precision", "bf16"), "both"),
        (put("compute.accumulate", 2), "both"),
        (put("pretrain.steps", 3), "both"),  # the second stage starts from the first
        (put("pretrain.paste", 0.6), "both"),
        (put("finetune.steps", 3), "second"),
        (put("network.reference", "rolling"), "second"),
        (put("finetune.bptt", "none"), "second"),
        (put("finetune.frames_per_update", 1), "second"),
        (put("finetune.benchmark", "davis2016"), "second"),
        (put("finetune.ema_ratio", 0.5), "second"),
        (put("pretrain.ema_ratio", 0.5), "both"),
    ],
)
def test_what_can_change_the_weights_changes_the_identity(change: Change, stages: str) -> None:
    before, after = identities(resolved()), identities(resolved(change))
    assert before[1] != after[1]
    assert (before[0] != after[0]) == (stages == "both")


@pytest.mark.usefixtures("here")
def test_a_rolling_reference_counts_in_the_only_stage_there_is() -> None:
    """Stage 1 is trained as with the first frame, but segments as it was asked to."""

    def rolling(study: dict[str, Any]) -> None:
        study["network"]["reference"] = "rolling"
        study["stages"] = ["pretrain"]

    (only,) = identities(found := resolved(rolling))
    assert only != identities(resolved())[0]
    assert found.training(only).network.reference == "rolling"


@pytest.mark.usefixtures("here")
def test_a_set_of_objects_is_other_data_than_one_of_foregrounds() -> None:
    objects = [{**STUDY["data"]["stills"][0], "labels": "objects"}]
    assert identities(resolved(put("data.stills", objects))) != identities(resolved())


@pytest.mark.usefixtures("here")
def test_another_version_of_training_counts_where_it_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first is not named: training runs of before there were versions stay what they are."""
    wide = put("network.width", 16)
    narrow, before = identities(resolved()), identities(resolved(wide))
    monkeypatch.setattr(resolve, "version_of", lambda _: 1)
    assert identities(resolved(wide)) == before
    assert not set(identities(resolved())) & set(narrow)


@pytest.mark.usefixtures("here")
def test_label_and_claim_change_the_plan_and_no_identity() -> None:
    before = resolved()
    path = Path("ablations/no_bptt.yaml")
    variant = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**variant, "label": "new", "claim": "newer"}))
    after = resolved()
    assert after.trainings == before.trainings
    assert after.variant("no_bptt").label == "new"
    assert after != before


@pytest.mark.parametrize("study", ["mini", "embedded"])
def test_training_runs_of_the_reference_are_those_of_its_study(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that came since change no identity where they are not set."""
    monkeypatch.chdir(PROJECT)
    found = resolve.resolve(Path(f"workflow/config/{study}.yaml"), results=tmp_path)
    kept = load_plan(Path(f"results/reference/{study}"))
    assert folders(found) == folders(kept)


# ---- data ----


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("stills/images/1.jpg", (True, True)),
        ("stills/masks/1.png", (True, True)),
        ("davis/JPEGImages/480p/train_b/00001.jpg", (False, True)),
        ("davis/Annotations/480p/train_b/00001.png", (False, True)),
        ("davis/JPEGImages/480p/val_a/00001.jpg", (False, False)),
        ("davis/Annotations/480p/val_a/00001.png", (False, False)),
    ],
)
def test_changed_byte_trains_the_stages_that_read_it(path: str, changed: tuple[bool, bool]) -> None:
    before = resolved()
    flip_a_byte(Path(path))
    after = resolved()
    both = zip(identities(before), identities(after), strict=True)
    assert tuple(a != b for a, b in both) == changed
    alone = identities(before, "no_synthetic") != identities(after, "no_synthetic")
    assert alone == ("train_b" in path)
    assert after.data.digests != before.data.digests  # and what is scored is checked anew


@pytest.mark.usefixtures("here")
def test_touched_file_trains_nothing() -> None:
    before = resolved()
    for path in Path("davis").rglob("*.jpg"):
        path.touch()
    assert resolved() == before


@pytest.mark.usefixtures("here")
def test_data_that_moved_train_nothing() -> None:
    before = resolved()
    Path("elsewhere").mkdir()
    shutil.move("davis", "elsewhere/davis")
    after = resolved(put("data.davis", "elsewhere/davis"))
    assert [t.identity for t in after.trainings] == [t.identity for t in before.trainings]


@pytest.mark.usefixtures("here")
def test_order_by_which_samples_are_drawn_is_part_of_the_data() -> None:
    shutil.copytree("stills", "more")
    shutil.copy("stills/images/0.jpg", "more/images/1.jpg")
    sets = [{"images": f"{s}/images", "masks": f"{s}/masks"} for s in ("stills", "more")]
    one, other = (identities(resolved(put("data.stills", s))) for s in (sets, sets[::-1]))
    assert one != other
    before = identities(resolved())
    Path("davis/ImageSets/2017/train.txt").write_text("train_b\ntrain_a\n")
    after = identities(resolved())
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


@pytest.mark.usefixtures("here")
def test_initial_weights_count_by_their_bytes_where_they_are_read() -> None:
    Path("a.pth").write_bytes(b"1")
    Path("b.pth").write_bytes(b"1")
    Path("c.pth").write_bytes(b"2")
    none, a, b, c = (
        resolved(put("network.initial_weights", path)) for path in (None, "a.pth", "b.pth", "c.pth")
    )
    assert identities(a) == identities(b)
    assert not set(identities(a)) & set(identities(c))
    assert not set(identities(a)) & set(identities(none))
    assert identities(a, "no_synthetic") != identities(c, "no_synthetic")
    assert (none.initial_weights, a.initial_weights) == ((), ((Path("a.pth"), "resnet10"),))
    with pytest.raises(UserError, match=r"^absent\.pth: no such file .*initial_weights"):
        resolved(put("network.initial_weights", "absent.pth"))


@pytest.mark.usefixtures("here")
def test_embedded_benchmark_is_known_by_its_seed_before_it_is_rendered() -> None:
    one, other = (resolved(put("data", {"mini": {"seed": seed}})) for seed in (0, 1))
    assert one.embedded
    assert one.data.mini_seed == 0
    assert one.data.davis == Path("results/tiny/data/davis")
    assert not {t.identity for t in one.trainings} & {t.identity for t in other.trainings}
    assert identities(one) == identities(resolved(put("data", {"mini": {"seed": 0}})))
    assert not resolved().embedded


# ---- names that last ----


@pytest.mark.usefixtures("here")
def test_variant_that_comes_to_stand_before_others_renames_no_training_that_is_there() -> None:
    def trained(training: Training) -> None:
        (Path("results/tiny") / training.folder).mkdir(parents=True)

    write_variant("zeta", network={"decoder_width": 8})
    before = resolved()
    for training in before.trainings:
        trained(training)
    write_variant("alpha", network={"decoder_width": 8}, inference={"scales": [0.5]})
    after = resolved()
    assert folders(after) == folders(before)
    assert identities(after, "alpha") == identities(before, "zeta")
    assert "zeta-seed0" in {t.slug for t in after.trainings if "alpha" in t.variants}
    Path("ablations/zeta.yaml").unlink()
    assert folders(resolved()) == folders(before)


@pytest.mark.usefixtures("here")
def test_new_variant_adds_its_own_trainings_only() -> None:
    before = resolved()
    write_variant("alpha", finetune={"skip": [0, 0]})
    after = resolved()
    assert folders(before) < folders(after)
    assert len(after.trainings) == len(before.trainings) + 2
