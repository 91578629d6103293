"""The studies of the paper leave no value without its source."""

import re
from pathlib import Path

import pytest

from rgmp.config.base import Closed
from rgmp.config.load import load_study, read_yaml
from rgmp.config.method import Compute, Finetune, Inference, Method, Network, Pretrain

CONFIG = Path(__file__).parents[2] / "workflow/config"
SOURCES = "code|author|board|notes|memory|stm|here"


@pytest.mark.parametrize("name", ["davis", "davis_released"])
def test_every_value_names_its_source(name: str) -> None:
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    values = [line for line in text.splitlines() if re.match(r"[ -]*\w+: *[^ #]", line)]
    assert len(values) > 15
    assert [line for line in values if not re.search(rf" # \[({SOURCES})\]", line)] == []


def test_the_sources_are_explained_and_the_papers_study_hides_no_default() -> None:
    """But those of what is not done: updates within a clip, a rate that falls, an average of
    weights, earlier checkpoints."""
    head = (CONFIG / "davis.yaml").read_text(encoding="utf-8").partition("\nstudy:")[0]
    assert {*re.findall(r"^#   \[(\w+)\]", head, re.MULTILINE)} == {*SOURCES.split("|")}
    given = read_yaml(CONFIG / "davis.yaml")
    models: dict[str, type[Closed]] = {
        "network": Network,
        "pretrain": Pretrain,
        "finetune": Finetune,
        "inference": Inference,
        "compute": Compute,
    }
    for key, model in models.items():
        assert model.model_fields.keys() - given[key].keys() <= {
            "frames_per_update",
            "final_learning_rate",
            "ema_ratio",
            "keep_last",
            "save_interval",
        }
    assert Method.model_fields.keys() - given.keys() == {"stages", "weights"}


def test_the_authors_weights_are_run_as_the_paper_is() -> None:
    paper, released = (load_study(CONFIG / f"{name}.yaml") for name in ("davis", "davis_released"))
    assert released.inference == paper.inference
    assert (released.benchmarks, released.split) == (paper.benchmarks, paper.split)
    assert released.network.backbone == paper.network.backbone
    assert released.stages == ()
