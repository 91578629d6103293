"""Published facts of the method and of DAVIS, each table with its sources."""

import csv
from importlib.resources import files


def read(name: str) -> list[dict[str, str]]:
    """The rows of a table of facts, such as `published.csv`, unchanged."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
