"""What every test may ask for."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real frames and known answers beside the project, where there is one."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("../shared with real frames and known answers is not here")
    return SHARED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first: most failures show within seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
