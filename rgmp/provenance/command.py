"""The record of a command, named after its path."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rgmp.errors import UserError
from rgmp.provenance import record


def record_command(
    path: Path | None, kind: str, made: Iterable[Path] = (), **fields: Any
) -> AbstractContextManager[record.Draft]:
    """Record a command; a `path` of STUDY/records/NAME.json gives its study and name.

    Args:
        path: the record's file; None writes nothing.
        kind: the command.
        made: the command's other outputs, which the record must not overwrite.
        fields: as of `rgmp.provenance.record.recording`.

    Raises:
        UserError: the record could not be written, even if the command succeeds.
    """
    study, name = None, kind
    if path is not None:
        record.require_place(path)
        if path.resolve() in {target.resolve() for target in made}:
            raise UserError(
                f"{path}: is another output of this command; name another file for the record"
            )
        parts = path.with_suffix("").parts
        name = parts[-1]
        if record.RECORDS in parts[1:]:
            at = len(parts) - 1 - parts[::-1].index(record.RECORDS)
            study, name = parts[at - 1], "/".join(parts[at + 1 :])
    return record.recording(path, kind=kind, name=name, **{"study": study, **fields})
