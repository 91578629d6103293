"""Pages of HTML that need nothing else: their templates, and pictures that are part of them."""

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **values: object) -> str:
    """A page from a template of this package; `pieces.html.j2` has what templates share."""
    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def embedded(image: Path) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode()
