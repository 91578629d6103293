"""What every test may ask for."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real frames and known answers beside the project, where there is one."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("../shared with real frames and known answers is not here")
    return SHARED


@pytest.fixture
def browse(tmp_path: Path) -> Callable[[str, int], tuple[str, str]]:
    """Chromium without a window: what a page is when its scripts have run, and what they said."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no chromium is installed")

    def browse(address: str, width: int) -> tuple[str, str]:
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += [f"--user-data-dir={tmp_path}/browser", f"--window-size={max(width, 500)},900"]
        command += ["--enable-logging=stderr", "--virtual-time-budget=20000", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return done.stdout, "\n".join(console)

    return browse


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first: most failures show within seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
