"""`rgmp download`: a published data set, in a folder of its own."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rgmp.cli.command import Command
from rgmp.errors import ProblemsError, UserError, visible

if TYPE_CHECKING:
    from rgmp.download.catalogue import Archive, DataSet
    from rgmp.download.transfer import UnavailableError


def _download_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "set", metavar="SET", help="data set, such as davis2017; any other word lists all sets"
    )
    command.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder in which the set gets a folder of its name",
    )
    command.add_argument(
        "--from",
        dest="given",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="archives of the set that are already downloaded, under any file name",
    )
    command.add_argument(
        "--accept-licence",
        action="store_true",
        help="fetch without asking; the terms of use are shown in any case",
    )
    command.add_argument(
        "--plain-http",
        action="store_true",
        help="allow http, over which a file can be altered on the way, also for archives without a "
        "known digest",
    )


def _download(options: argparse.Namespace) -> None:
    from rgmp.download.catalogue import find
    from rgmp.download.obtain import Job, obtain
    from rgmp.download.transfer import UnavailableError
    from rgmp.download.unpack import megabytes

    dataset = find(options.set)
    job = Job(options.set, dataset, options.to, tuple(options.given), options.plain_http)

    def accept(fetching: "Sequence[Archive]") -> None:
        _show(dataset, fetching)
        if fetching and not options.accept_licence:
            _ask()

    try:
        made = obtain(job, accept)
    except UnavailableError as error:
        raise ProblemsError(*error.problems, *_flags_for(error)) from error
    if not made.files:
        print(f"{visible(str(job.folder))}: already exists; nothing to do")
        return
    print(f"{visible(str(job.folder))}: {made.files} files; {dataset.layout}")
    for fetched in made.pinned:
        print(
            f"{fetched.file}: no digest is published; {megabytes(fetched.size)}, {fetched.sha256}, "
            f"recorded in {visible(str(made.lock))}; later downloads must match"
        )


def _flags_for(error: "UnavailableError") -> Iterator[str]:
    """The flags that help where an archive cannot be fetched."""
    yield "--from FILE gives an archive that you have downloaded"
    if error.http_refused:
        yield "--plain-http allows http also for archives without a known digest"


def _show(dataset: "DataSet", fetching: "Sequence[Archive]") -> None:
    """Print what a set is, its terms, and what would be fetched from where."""
    from rgmp.download.unpack import megabytes

    for key in ("title", "licence", "citation"):
        print(f"{key}: {getattr(dataset, key)}")
    if not fetching:
        return
    about = "" if all(archive.size for archive in fetching) else "about "
    total = megabytes(sum(archive.expected for archive in fetching))
    print(f"to fetch: {len(fetching)} files, {about}{total}, unpacked about as much again")
    for address in dataset.addresses:
        print(f"from: {address.url} ({_tried(address.verified)})")
    sys.stdout.flush()


def _tried(verified: object) -> str:
    return f"worked on {verified}" if verified else "unverified: not tried by this project yet"


def _ask() -> None:
    """Ask on the terminal whether the terms are accepted.

    Raises:
        UserError: they are not, or nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise UserError("nothing fetched: read the terms above, then add --accept-licence")
    print("Fetch it under these terms? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UserError("nothing fetched: the terms were not accepted")


COMMANDS = (
    Command(
        "download",
        _download,
        _download_options,
        "Fetch a published data set, verify it and unpack it into a folder of its own.",
        "davis2017 --to data",
        "data",
    ),
)
