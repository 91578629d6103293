"""Pages of HTML that need nothing else: their templates, pictures in them, files beside them."""

import base64
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from rgmp.reporting.labels import DOWN, UP
from rgmp.runtime.quantities import MINUS


def render(template: str, **values: object) -> str:
    """A page from a template of this package; `pieces.html.j2` has what templates share."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    """Where templates are found and how they are filled in; it keeps those that it has compiled."""
    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole"] = whole
    return environment


def whole(text: str) -> str:
    """A heading or a cell of numbers whose lines may end before an interval, and not within it.

    Likewise of a standard deviation; a unit and an arrow stay with what they follow.
    """
    return _WITHIN.sub("\N{NO-BREAK SPACE}", text)


_WITHIN = re.compile(
    rf"(?<=[,±]) (?=[+{MINUS}\d])|(?<=\d) (?=[a-zA-Z]{{1,3}}\b)| (?=[{UP}{DOWN}]$)"
)
"""Spaces at which no line ends."""


def embedded(image: Path) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode()


class Link(NamedTuple):
    """A link to a file beside a page: what it is called, and where it is from the page."""

    text: str
    target: str


_KINDS = {".csv": "CSV", ".md": "Markdown", ".tex": "TeX", ".pdf": "PDF", ".png": "PNG"}


def files_beside(page: Path, stem: str, kinds: Iterable[str]) -> list[Link]:
    """Links to the files of some kinds that are there.

    Args:
        page: the file that has the links.
        stem: of the files, from the page's folder.
        kinds: their suffixes.
    """
    names = {_KINDS[kind]: f"{stem}{kind}" for kind in kinds}
    return [Link(t, quote(n)) for t, n in names.items() if (page.parent / n).is_file()]
