"""The record of a command, as its options name it."""

import argparse
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rgmp.errors import UserError
from rgmp.provenance import record


def recording(
    options: argparse.Namespace, kind: str, **fields: Any
) -> AbstractContextManager[record.Draft]:
    """Record a command; where `--record` is, STUDY/records/NAME.json, says its study and name.

    Raises:
        UserError: the record could not be written, however well the command went.
    """
    path: Path | None = options.record
    study, name = None, kind
    if path is not None:
        record.require_place(path)
        targets = (getattr(options, name, None) for name in ("out", "masks"))
        if path.resolve() in {target.resolve() for target in targets if target}:
            raise UserError(f"--record {path}: is to hold something else too; name another file")
        parts = path.with_suffix("").parts
        name = parts[-1]
        if "records" in parts[1:]:
            at = len(parts) - 1 - parts[::-1].index("records")
            study, name = parts[at - 1], "/".join(parts[at + 1 :])
    own = {key: getattr(options, key) for key in ("variant", "seed") if hasattr(options, key)}
    return record.recording(path, kind=kind, name=name, **{"study": study, **own, **fields})
