"""Published facts of the method and of DAVIS, each table with its sources."""

import csv
import re
from collections.abc import Iterable
from importlib.resources import files


def read(name: str) -> list[dict[str, str]]:
    """The rows of a table of facts, such as `published.csv`, unchanged."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def bibliography(keys: Iterable[str]) -> str:
    """Entries of `references.bib`, in the order of their keys.

    Raises:
        KeyError: it has none of that key.
    """
    text = files(__name__).joinpath("references.bib").read_text(encoding="utf-8")
    entries = {
        key: entry for entry, key in re.findall(r"(@\w+\{(\w+),\n.*?\n\}\n)", text, re.DOTALL)
    }
    return "\n".join(entries[key] for key in keys)
