"""What is said of a margin that is not the one with which a study's first tables were made."""

from rgmp.study.preregistration import margin_before
from rgmp.study.results import Results


def on_margin(results: Results) -> str:
    """A sentence where it is another now; else, or where the first is not known, nothing.

    Raises:
        UserError: the file that keeps the first is broken.
    """
    before = margin_before(results.plan, results.folder)
    if before is None:
        return ""
    return (
        f"The margin was {before:g} points when the first tables were made and is "
        f"{results.plan.margin:g} now."
    )
