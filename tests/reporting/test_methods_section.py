import json
import re
import shutil
from pathlib import Path

import pytest
from support.described_sets import DATASETS
from support.fake_study import build
from support.written_tables import text_of

from rgmp import facts
from rgmp.config.load import load_dataset
from rgmp.config.method import Finetune
from rgmp.reporting import methods_section, tables
from rgmp.study import layout
from rgmp.study.plan import load_plan, save
from rgmp.study.results import load


def test_the_section_says_what_ran(five: Path) -> None:
    text, plan = text_of(five, layout.METHODS_MARKDOWN), load_plan(five)
    for said in (
        "commit c0ffee1234",
        "toy videos of the layout of DAVIS [@perazzi2016davis; @ponttuset2017davis]",
        f"davis2017/val: {plan.data.digests['davis2017/val'][:12]}",
        "a residual network of 50 layers [@he2016resnet] with 64 channels",
        "It takes 400 steps of 8 samples of 64x96 pixels with Adam [@kingma2015adam]",
        "with 2 seeds (0, 1)",
        f"{len(plan.trainings)} training runs took",
        "winner takes all",
        "averaged; several objects are combined by softmax aggregation",
        "the builtin engine",
        "crossed random effects [@obuchowski1995; @hillis2007]",
        "beyond the margin of 3 points of J&F",
        "Speed was measured on Xeon with 2 threads in fp32",
        "5 rounds",
    ):
        assert said in text, said
    assert "not complete" not in text
    assert "DAVIS-201" not in text


def test_both_formats_cite_what_the_references_have_and_nothing_else(five: Path) -> None:
    text, tex = (text_of(five, n) for n in (layout.METHODS_MARKDOWN, layout.METHODS_LATEX))
    groups = re.findall(r"\[(@[^]]+)\]", text)
    cited = {key for group in groups for key in group.replace("@", "").split("; ")}
    in_latex = {key for group in re.findall(r"\\cite\{([^}]+)\}", tex) for key in group.split(",")}
    listed = re.findall(r"^@\w+\{(\w+),$", text_of(five, layout.BIBLIOGRAPHY), re.MULTILINE)
    assert cited == in_latex == {*listed}
    assert len(listed) == len({*listed})
    assert "loshchilov2019adamw" not in listed, "no variant used it"


def test_every_reference_that_a_sentence_may_cite_is_there() -> None:
    source = Path(methods_section.__file__).read_text(encoding="utf-8")
    keys = {*re.findall(r"@([a-z]+\d{4}[a-z]*)", source)}
    assert len(keys) > 10
    assert facts.bibliography(sorted(keys)).count("@") == len(keys)
    with pytest.raises(KeyError):
        facts.bibliography(["nobody2000"])


def test_what_has_not_run_is_not_said(five: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(five, tmp_path / "begun")
    shutil.rmtree(folder / "speed")
    shutil.rmtree(folder / "records/masks")
    shutil.rmtree(folder / "records/weights")
    shutil.rmtree(folder / "scores/davis2017")
    tables.write(folder)
    text, missing = text_of(folder, layout.METHODS_MARKDOWN), load_plan(folder).measured
    absent = sum(not (folder / path).is_file() for path in missing)
    assert f"The study is not complete: {absent} of {len(missing)} results are missing." in text
    headings = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
    assert {"Speed", "Inference", "Training"}.isdisjoint(headings)
    assert {"Study", "Data", "Evaluation", "Statistics"} <= {*headings}


def test_settings_of_another_study_change_the_words(five: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(five, tmp_path / "other")
    plan = load_plan(folder)
    update = {"optimiser": "adamw", "weight_decay": 0.05, "ema_ratio": 0.1, "schedule": "constant"}
    changed = tuple(
        t.model_copy(update={"settings": t.settings.model_copy(update={**update, "bptt": "none"})})
        if isinstance(t.settings, Finetune)
        else t
        for t in plan.trainings
    )
    save(plan.model_copy(update={"trainings": changed, "title": "100% [@holm1979] {new}_"}), folder)
    record = folder / "records/scores/davis2016/no_bptt/seed0.json"
    content = json.loads(record.read_text())
    content["code"]["sources"] = "6" * 64
    record.write_text(json.dumps(content))
    text = methods_section.as_markdown(methods_section.paragraphs_of(load(folder)))
    assert "AdamW [@loshchilov2019adamw], a learning rate of 0.0001, weight decay 0.05 and" in text
    assert "each frame's previous mask is the true one" in text
    assert "an exponential moving average of its weights, over about 10% of its steps" in text
    assert "Provenance is mixed: 1 of" in text
    tex = methods_section.as_latex(methods_section.paragraphs_of(load(folder)))
    assert r"100\% \cite{holm1979} \{new\}\_" in tex


def test_a_study_on_davis_names_it(tmp_path: Path) -> None:
    folder = build(tmp_path, variants=2, complete=True, seeds=(0,), frames=6)
    tables.write(folder)
    text = text_of(folder, layout.METHODS_MARKDOWN)
    assert "DAVIS-2016 [@perazzi2016davis] and DAVIS-2017 [@ponttuset2017davis], split val" in text
    assert "of the train split of DAVIS-2017" in text
    assert "there is one seed" in text
    assert "holm1979" not in text_of(folder, layout.BIBLIOGRAPHY), "one seed has no verdicts"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("youtube_vos", "every annotated frame after the one that gives the object"),
        ("lvos", "every annotated frame after the one that gives the object, but the last"),
        ("mose", "every frame but the first and the last"),
    ],
)
def test_frames_that_are_scored_are_those_of_the_description(name: str, said: str) -> None:
    assert methods_section._scored(load_dataset(DATASETS / f"{name}.yaml")) == said
