"""The reference of a study: its copy in `results/reference/`, with which each new run is compared.

Needs no pandas: the workflow looks at it whenever its rules are read.
"""

from pathlib import Path

from rgmp.study import layout


def reference_of(folder: Path) -> Path:
    """Where the reference of a study lies, if it has one, such as `results/reference/mini`.

    Args:
        folder: the study's, such as `results/mini`.
    """
    return folder.parent / layout.REFERENCES / folder.name


def is_reference(folder: Path) -> bool:
    """Whether a study's folder is such a copy."""
    return folder.absolute().parent.name == layout.REFERENCES


def files_of(reference: Path) -> tuple[Path, ...]:
    """What of a reference decides whether it is compared again; none unless it is finished.

    A study of days is kept while it runs: until it has its tables there are no verdicts to compare.
    """
    files = (reference / layout.PLAN, reference / layout.TABLES / "ablation.csv")
    return files if all(path.is_file() for path in files) else ()
