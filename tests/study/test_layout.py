"""The names of a study's files, which scripts and papers out there may rely on."""

from rgmp.study import layout


def test_names_of_jobs() -> None:
    assert layout.run("davis2017", "full", 0) == "davis2017/full/seed0"
    assert layout.evaluation("full", 0) == "full/seed0"
    assert layout.external("davis2016", "osvos") == "davis2016/osvos/external"
    assert layout.training("pretrain/full-seed0-1a2b") == "weights/pretrain/full-seed0-1a2b"


def test_names_of_what_jobs_make() -> None:
    run = "davis2017/full/seed0"
    assert layout.masks("full-seed0-1a2b") == "masks/full-seed0-1a2b"
    assert layout.scores(run) == "scores/davis2017/full/seed0.csv"
    assert layout.bounds("davis2017") == "scores/davis2017/bounds.csv"
    assert layout.speed("davis2017") == "speed/davis2017.json"
    training = "weights/finetune/full-seed0-1a2b"
    assert layout.weights(training) == f"{training}/weights.safetensors"
    assert layout.curve(training) == f"{training}/metrics.jsonl"


def test_a_record_is_called_after_what_the_job_made() -> None:
    for made, record in {
        "masks/davis2017/full/seed0": "records/masks/davis2017/full/seed0.json",
        "scores/davis2017/full/seed0.csv": "records/scores/davis2017/full/seed0.json",
        "speed/davis2017.json": "records/speed/davis2017.json",
        "weights/pretrain/full-seed0-1a2b": "records/weights/pretrain/full-seed0-1a2b.json",
    }.items():
        assert layout.record(made) == record
    assert layout.check("stills-1a2b") == "records/data/stills-1a2b.json"


def test_a_name_with_a_dot_in_it_keeps_it() -> None:
    """Of a split, of which the check is called: `val.json` is no file here."""
    assert layout.check("davis2017-val.v2-1a2b") == "records/data/davis2017-val.v2-1a2b.json"
