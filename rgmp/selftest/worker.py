"""A section of the selftest in a process of its own.

A fault of CUDA spoils every later call of its process, some settings are read but once, and a call
that hangs can only be killed: so no section shares a process with another.

It answers on standard output, one JSON object a line: the `machine`, or each `finding`; then
`ended`, or one of `failed`, `refused` and `not_here`. All that the section prints goes to standard
error.
"""

import importlib
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

import torch

from rgmp.errors import UserError
from rgmp.provenance.machine import determinism, this_machine
from rgmp.runtime import device
from rgmp.selftest.bench import Bench, NotHereError


def main(order: dict[str, Any], answers: TextIO) -> None:
    """Run a section.

    Args:
        order: `module`, or none to describe the machine alone; `device`, and whether it `reserves`
            that; whether cuDNN `searches` algorithms; `folder`, `work`, `davis`; the `deadline`, on
            the clock of `time.monotonic`, which all processes of a machine share on Linux.
        answers: where to write the answers.
    """

    def answer(**said: Any) -> None:
        print(json.dumps(said, allow_nan=False), file=answers, flush=True)

    try:
        reserves = order["reserves"]
        chosen = device.choose(order["device"]) if reserves else torch.device(order["device"])
        if not order["searches"]:
            torch.backends.cudnn.benchmark = False
        if order["module"] is None:
            answer(machine=_machine(chosen))
        else:
            davis = order["davis"]
            bench = Bench(
                device=chosen,
                folder=Path(order["folder"]),
                work=Path(order["work"]),
                deadline=order["deadline"],
                davis=None if davis is None else Path(davis),
            )
            for finding in importlib.import_module(order["module"]).section(bench):
                answer(finding=finding.as_json(), line=finding.line)
    except NotHereError as reason:
        answer(not_here=str(reason))
    except UserError as error:
        answer(refused=str(error), traceback=traceback.format_exc())
    except Exception as error:  # whatever it is, the other sections go on
        summary = traceback.format_exception_only(error)[-1].strip()
        answer(failed=summary, traceback=traceback.format_exc())
    else:
        answer(ended=True)


def _machine(chosen: torch.device) -> dict[str, Any]:
    """The device and its machine, with what decides how fast and how exactly it computes."""
    described: dict[str, Any] = {"device": chosen.type, "torch": torch.__version__}
    if chosen.type == "cuda":
        properties = torch.cuda.get_device_properties(chosen)
        described |= {
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "compute_capability": f"{properties.major}.{properties.minor}",
            "gpu_memory_bytes": properties.total_memory,
            "multiprocessors": properties.multi_processor_count,
        }
    return {**described, **this_machine(), "determinism": determinism()}


def serve() -> None:
    """Carry out the order on the command line, which is JSON; answer on standard output."""
    _end_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a section or a library prints is no answer
    main(json.loads(sys.argv[1]), answers)


def _end_with_parent() -> None:
    """End this process, and all that it started, once its parent no longer holds its input."""

    def wait() -> None:
        os.read(0, 1)  # without Python's lock, which a forked process would wait for in vain
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
