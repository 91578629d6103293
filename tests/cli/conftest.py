"""A folder in which every command finds what it needs."""

import shutil
from pathlib import Path

import pytest
import yaml
from support.tiny_study import STUDY

ABLATIONS = Path(__file__).parents[2] / "ablations"


@pytest.fixture(scope="session")
def workplace(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree, stills, a study, its truth as masks, and weights of a tiny network."""
    from rgmp.config.method import Network
    from rgmp.model import weights as checkpoint
    from rgmp.model.network import RGMP

    root = tmp_path_factory.mktemp("workplace")
    shutil.copytree(pristine.parent, root, dirs_exist_ok=True)
    shutil.copytree(root / "davis/Annotations/480p", root / "truth")
    for split in ("train_a", "train_b"):
        shutil.rmtree(root / "truth" / split)
    (root / "ablations").mkdir()
    shutil.copy(ABLATIONS / "full.yaml", root / "ablations")
    (root / "study.yaml").write_text(yaml.safe_dump({**STUDY, "seeds": [3]}))
    (root / "text.pth").write_text("<html>404</html>")
    (root / "file").touch()
    network = RGMP(Network(backbone="resnet10", width=4, decoder_width=4))
    checkpoint.save(root / "tiny.safetensors", network, {"identity": "1a2b3c4d5e6f"})
    return root


@pytest.fixture
def here(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in."""
    root = tmp_path / "here"
    shutil.copytree(workplace, root)
    monkeypatch.chdir(root)
    return root
