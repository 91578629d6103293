"""A study is closed: what is not allowed is refused, in one line that says so."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.tiny_study import STUDY

from rgmp.config.load import load_study, read_yaml, validated
from rgmp.config.study import Study, Variant
from rgmp.errors import UserError


def changed(key: str, value: Any) -> dict[str, Any]:
    """The tiny study with one key, such as `network.width`, set."""
    study = copy.deepcopy(STUDY)
    *outer, last = key.split(".")
    inner = study
    for part in outer:
        inner = inner[part]
    inner[last] = value
    return study


def loaded(tmp_path: Path, study: dict[str, Any]) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return load_study(path)


def refusal(tmp_path: Path, study: dict[str, Any]) -> str:
    """What is said against a study, after its file's name."""
    with pytest.raises(UserError) as error:
        loaded(tmp_path, study)
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"{tmp_path / 'study.yaml'}: ")
    return line.partition(": ")[2]


# ---- unknown keys ----


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("titel", "title, data, benchmarks"),
        ("network.widht", "backbone, width, decoder_width"),
        ("pretrain.bptt", "steps, batch"),
        ("finetune.paste", "benchmark, frames, skip, reference_frame, bptt"),
        ("inference.scale", "scales, aggregation, precision"),
        ("compute.thread", "precision, threads"),
        ("machine.gpu", "device, workers"),
        ("speed.repeat", "sequences, frames, repeats"),
        ("evaluation.crosscheck", "engine, cross_check"),
        ("engine", "evaluation, margin"),
        ("data.root", "mini, davis, davis2016, sets, stills, resolution"),
    ],
)
def test_unknown_key_is_named_with_those_that_are_allowed(
    tmp_path: Path, key: str, allowed: str
) -> None:
    study = changed("compute", {})
    *outer, last = key.split(".")
    (study.setdefault(outer[0], {}) if outer else study)[last] = 1
    line = refusal(tmp_path, study)
    assert line.startswith(f"unknown key {key}; allowed there: ")
    assert allowed in line


def test_unknown_key_is_named_deep_inside(tmp_path: Path) -> None:
    stills = [STUDY["data"]["stills"][0], {"images": "a", "masks": "b", "mask": "c"}]
    line = refusal(tmp_path, changed("data.stills", stills))
    allowed = "images, masks, labels, names; did you mean masks?"
    assert line == f"unknown key data.stills.1.mask; allowed there: {allowed}"
    line = refusal(tmp_path, changed("data", {"mini": {"seed": 0, "sede": 1}}))
    assert line == "unknown key data.mini.sede; allowed there: seed; did you mean seed?"


def test_misspelt_key_is_named_before_the_one_that_is_missing(tmp_path: Path) -> None:
    study = copy.deepcopy(STUDY)
    study["network2"] = study.pop("network")
    line = refusal(tmp_path, study)
    assert line.startswith("unknown key network2; allowed there: network, stages")
    assert line.endswith("(and 1 more)")


def test_key_that_is_no_word_is_refused(tmp_path: Path) -> None:
    study: dict[Any, Any] = {**STUDY, 1: 2}
    assert refusal(tmp_path, study).startswith("1 (=1): Keys should be strings")


# ---- values ----


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("study", "../elsewhere"),
        ("study", "Upper"),
        ("study", "a b"),
        ("study", ""),
        ("title", ""),
        ("title", ["a"]),
        ("seeds", []),
        ("seeds", 0),
        ("seeds", [-1]),
        ("seeds", [0.5]),
        ("seeds", [0, 0]),
        ("benchmarks", []),
        ("benchmarks", ["davis2018"]),
        ("benchmarks", ["davis2017", "davis2017"]),
        ("stages", []),
        ("stages", ["finetune", "pretrain"]),
        ("stages", ["finetune", "finetune"]),
        ("stages", ["train"]),
        ("variants", "full"),
        ("network", []),
        ("network", None),
        ("network.backbone", "resnet51"),
        ("network.width", 0),
        ("network.width", "wide"),
        ("network.width", True),
        ("seeds", [True]),
        ("network.width", 1.5),
        ("network.reference", False),
        ("pretrain.steps", 0),
        ("pretrain.steps", None),
        ("pretrain.learning_rate", 0),
        ("pretrain.learning_rate", "fast"),
        ("pretrain.learning_rate", float("inf")),
        ("pretrain.learning_rate", float("nan")),
        ("pretrain.final_learning_rate", -1e-5),
        ("pretrain.crop", 128),
        ("pretrain.crop", [128]),
        ("pretrain.crop", [100, 128]),
        ("pretrain.paste", 1.1),
        ("pretrain.rotation", [20, -20]),
        ("pretrain.scale", [0, 1]),
        ("finetune.zoom", [-1, 1]),
        ("finetune.frames", [1, 3]),
        ("finetune.skip", [-1, 0]),
        ("finetune.bptt", "half"),
        ("inference.scales", []),
        ("inference.scales", [0]),
        ("inference.scales", [3]),
        ("machine.device", "gpu"),
        ("speed.frames", 1),
        ("seeds", [2**63]),
        ("seeds", list(range(1001))),
        ("network.width", 10**6),
        ("network.decoder_width", 10**6),
        ("pretrain.steps", 10**12),
        ("pretrain.batch", 10**6),
        ("pretrain.crop", [10**6 * 32, 64]),
        ("pretrain.shear", [90, 90]),
        ("pretrain.zoom", [1e-300, 1]),
        ("pretrain.translation", 1e308),
        ("finetune.frames", [2, 10**6]),
        ("finetune.skip", [0, 10**6]),
        ("inference.scales", [1e-9]),
        ("machine.workers", 10**6),
        ("machine.processes", 10**6),
        ("machine.jobs_per_gpu", 10**6),
        ("machine.decoded_megabytes", 10**30),
        ("machine.checkpoint_seconds", 1e300),
        ("speed.repeats", 10**9),
    ],
)
def test_value_that_is_not_allowed_is_named_with_its_key(
    tmp_path: Path, key: str, value: Any
) -> None:
    line = refusal(tmp_path, changed(key, value))
    assert key in line
    if not isinstance(value, list):
        assert f"(={value!r})" in line


def test_threads_have_a_limit(tmp_path: Path) -> None:
    """A million of them end the process with a segmentation fault."""
    line = refusal(tmp_path, changed("compute", {"threads": 10**6}))
    assert line.startswith("compute.threads (=1000000): Input should be less than or equal to 1024")


CONTROL = (
    *("a\nb", "a\tb", "\x1b[2J", "a\x00", "a\u2028b", "a\u202eb", "a\u2066b", "\ud800"),
    *("\u200b", "a\u200bb", "a\u00adb", "\ufeffa", "a\u2060", "a\u200eb", "a\U000e0041"),
)


@pytest.mark.parametrize("text", CONTROL, ids=ascii)
def test_text_with_control_characters_is_refused_and_shown(tmp_path: Path, text: str) -> None:
    external = {"name": "a", "label": text, "masks": {"davis2017": "masks"}}
    stills = {"images": text, "masks": "b"}
    for key, value in {
        "title": text,
        "split": text,
        "data.davis": text,
        "data.resolution": text,
        "data.stills": [stills],
        "network.initial_weights": text,
        "weights": text,
        "external": [external],
    }.items():
        line = refusal(tmp_path, changed(key, value))
        assert line.startswith(key)
        assert line.isprintable()
    for key in ("label", "claim"):
        variant = {"label": "a", "claim": "b", key: text}
        with pytest.raises(UserError, match=rf"variant.yaml: {key} "):
            validated(Variant, variant, tmp_path / "variant.yaml")


@pytest.mark.parametrize("text", ["\u200d", "\u3164", "\u2800", "\ufe0f", "\ue000"], ids=ascii)
def test_text_of_nothing_that_shows_is_refused(tmp_path: Path, text: str) -> None:
    for key in ("title", "data.davis", "data.resolution"):
        line = refusal(tmp_path, changed(key, f"{text} {text}"))
        assert line.startswith(key)
        assert "contains no visible character; write one line of plain text" in line


def test_text_may_be_in_any_script(tmp_path: Path) -> None:
    for text in ("ohne Rückwärtspfad", "无BPTT", "بدون BPTT", "می‌خواهم", "👩‍🔬 $5 {x} |*|"):
        assert loaded(tmp_path, changed("title", text)).title == text
    assert loaded(tmp_path, changed("title", "of a folded scalar\n")).title == "of a folded scalar"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.davis", "a" * 256),
        ("data.davis", "a/" * 800),
        ("split", "a" * 200),
        ("split", "../val"),
        ("split", "-val"),
        ("data.resolution", "480p/../480p"),
        ("study", "a" * 81),
        ("title", "a" * 201),
    ],
)
def test_name_that_no_file_can_have_is_refused(tmp_path: Path, key: str, value: str) -> None:
    assert refusal(tmp_path, changed(key, value)).startswith(f"{key} (='")


def test_huge_value_is_not_repeated_at_length(tmp_path: Path) -> None:
    value: Any = "x"
    for _ in range(12):
        value = [value, value]  # written with aliases, as a file that hangs a reader would be
    for key in ("title", "network", "seeds"):
        assert len(refusal(tmp_path, changed(key, value))) < 1000


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"davis": "a", "mini": {"seed": 0}},
        {"stills": STUDY["data"]["stills"]},
        {"mini": {"seed": 0}, "stills": STUDY["data"]["stills"]},
    ],
)
def test_data_have_one_source(tmp_path: Path, data: dict[str, Any]) -> None:
    assert refusal(tmp_path, changed("data", data)).startswith(
        "data: set exactly one of mini and davis"
    )


def test_tree_of_its_own_goes_with_another(tmp_path: Path) -> None:
    line = refusal(tmp_path, changed("data", {"mini": {"seed": 0}, "davis2016": "davis2016"}))
    assert line.startswith("data: davis2016 goes with davis")


EXTERNAL = {"name": "osvos", "label": "OSVOS", "masks": {"davis2017": "masks"}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "OSVOS"}, "external.0.name (='OSVOS')"),
        ({"label": ""}, "external.0.label"),
        ({"mask": {}}, "unknown key external.0.mask; allowed there: name, label, masks, scores"),
        ({"masks": {}}, "external.0: osvos: set masks or scores for a benchmark"),
        ({"scores": {"davis2017": "a.csv"}}, "external.0: osvos: set masks or scores"),
        (
            {"masks": {"davis2018": "masks"}},
            "external osvos: davis2018 is not scored in this",
        ),
        ({"masks": {"davis2016": "masks"}}, "external osvos: davis2016 is not scored in this"),
        ({"seconds_per_frame": {"davis2017": 0}}, "external.0.seconds_per_frame.davis2017"),
        ({"seconds_per_frame": {"davis2016": 9}}, "external.0: osvos: seconds_per_frame"),
    ],
    ids=str,
)
def test_what_is_not_trained_here_is_checked(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    study = changed("benchmarks", ["davis2017"])
    assert said in refusal(tmp_path, study | {"external": [EXTERNAL | change]})
    assert (
        refusal(tmp_path, study | {"external": [EXTERNAL] * 2})
        == "duplicate external osvos; list each once"
    )


@pytest.mark.parametrize("key", ["study", "title", "data", "benchmarks", "seeds", "network"])
def test_missing_key_is_named(tmp_path: Path, key: str) -> None:
    study = {k: v for k, v in STUDY.items() if k != key}
    assert refusal(tmp_path, study) == f"key {key} is missing"


def test_missing_key_is_named_deep_inside(tmp_path: Path) -> None:
    study = copy.deepcopy(STUDY)
    del study["finetune"]["frames"]
    assert refusal(tmp_path, study) == "key finetune.frames is missing"


@pytest.mark.parametrize("number", ["1e-4", "1.0e-4", "0.0001", "1E-4", "+1e-4"])
def test_number_may_be_written_in_any_way(tmp_path: Path, number: str) -> None:
    path = tmp_path / "study.yaml"
    text = yaml.safe_dump(STUDY).replace("learning_rate: 0.001", f"learning_rate: {number}")
    path.write_text(text)
    assert load_study(path).pretrain.learning_rate == 1e-4


# ---- files ----


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a mapping"),
        ("# nothing\n", "not a mapping"),
        ("- a\n- b\n", "not a mapping"),
        ("mini", "not a mapping"),
        ("seeds: [0, 1\ntitle: a\n", "not valid YAML: line 2, column 6: "),
        ("title: a\n\ttitle: b\n", "not valid YAML: line 2"),
        ("title: a: b\n", "not valid YAML: line 1, column 9: "),
        (
            "title: a\nstudy: b\ntitle: c\n",
            "not valid YAML: line 1, column 1: duplicate key title",
        ),
        (
            "data:\n  mini: {seed: 0, seed: 1}\n",
            "not valid YAML: line 2, column 9: duplicate key seed",
        ),
        ("title: 2026-13-45\n", "not valid YAML: month must be in 1..12"),
        ("title: !!python/object/apply:os.getcwd []\n", "not valid YAML: line 1, column 8: "),
        ("? [a]\n: 1\n", "not valid YAML: line 1"),
        ("title: \x07\n", "not valid YAML: unacceptable character"),
        ("{: \xff", "not UTF-8 text "),
    ],
)
def test_file_that_is_no_study_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError) as error:
        load_study(path)
    assert str(error.value).startswith(f"{path}: {said}")
    assert "\n" not in str(error.value)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "absent.yaml", tmp_path, tmp_path / "file" / "study.yaml"):
        with pytest.raises(UserError, match=rf"^{path}: cannot be read"):
            read_yaml(path)
