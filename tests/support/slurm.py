"""A Slurm of two nodes on this machine, from the distribution's packages.

Its processes belong to whoever runs the tests, and its files and ports are its own, so that it
disturbs no other.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from getpass import getuser
from pathlib import Path

import psutil

from rgmp.runtime.cores import usable_cores

NODES = ("n1", "n2")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
_PACKAGES = ("slurm-wlm", "munge")
_INSTALL_SECONDS = 300

# Requeued jobs wait until the credentials of their first start have expired. `linuxproc` sends
# signals to all processes of a step; it is the one that needs no rights over control groups. The
# nodes claim memory that they share, so that the profile's defaults fit.
_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=5
SchedulerParameters=sched_interval=2,bf_interval=2
GresTypes=gpu
NodeName=DEFAULT CPUs={cpus} RealMemory=1000000 {gres}
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]}
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Why there can be no Slurm here, after an attempt to install it; None: there can."""
    if _absent() and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (("update",), ("install", "--yes", "--no-install-recommends", *_PACKAGES)):
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    ["apt-get", "--option=Acquire::http::Timeout=20", *command],
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    capture_output=True,
                    timeout=_INSTALL_SECONDS,
                    check=False,
                )
    absent = _absent()
    return f"{', '.join(absent)}: not installed, and cannot be here" if absent else None


def _absent() -> list[str]:
    return [name for name in PROGRAMS if not _which(name)]


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin")


class Slurm:
    """A running Slurm.

    Attributes:
        environment: of processes that are to use it.
    """

    def __init__(self, folder: Path, cpus: int | None = None, gpus: int = 0) -> None:
        """Keep its files in a new folder, whose path is short: sockets have at most 107 bytes.

        Args:
            folder: of its files.
            cpus: of each node; None: together they have those of this machine.
            gpus: stand-ins for so many on each node: Slurm hands them out, and nothing computes.
        """
        self._folder, self._conf = folder, str(folder / "slurm.conf")
        wrappers = folder / "bin"
        self.environment = {
            **os.environ,
            "SLURM_CONF": self._conf,
            "PATH": f"{wrappers}:{os.environ['PATH']}",
        }
        wrappers.mkdir(parents=True)
        # the Snakemake plugin takes SLURM_CONF away from it: it is for clusters in /etc/slurm
        wrapper = wrappers / "srun"
        wrapper.write_text(
            f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {_which("srun")} "$@"\n'
        )
        wrapper.chmod(0o755)
        (folder / "slurm.conf").write_text(
            _CONFIGURATION.format(
                host=socket.gethostname(),
                user=getuser(),
                folder=folder,
                ports=_free_ports(3),
                cpus=cpus or max(usable_cores() // len(NODES), 1),
                gres=f"Gres=gpu:{gpus}" if gpus else "",
            )
        )
        files = [folder / f"gpu{index}" for index in range(gpus)]
        for file in files:
            file.touch()
        lines = [f"Name=gpu File={file}\n" for file in files]
        (folder / "gres.conf").write_text("".join(lines))

    def start(self) -> None:
        """Start the daemons, and wait until the nodes are ready."""
        folder = self._folder
        (folder / "state").mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        folder.chmod(0o755)  # munged refuses folders that others may write to
        files = {"key-file": key, "pid-file": folder / "munged.pid", "seed-file": folder / "seed"}
        files |= {"log-file": folder / "munged.log", "socket": folder / "munge.socket"}
        self._run("munged", "--force", *(f"--{name}={path}" for name, path in files.items()))
        self._run("slurmctld")
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: all(self.state(node) == "idle" for node in NODES))

    def stop(self) -> None:
        """End everything that is of this Slurm."""
        for node in NODES:
            self.kill_node(node)
        for pid_file in self._folder.glob("*.pid"):
            with suppress(psutil.Error, ValueError):
                psutil.Process(int(pid_file.read_text())).kill()

    def start_node(self, node: str) -> None:
        """Start a node, or start it again."""
        (self._folder / f"spool-{node}").mkdir(exist_ok=True)
        self._run("slurmd", "-N", node)

    def kill_daemon(self, node: str) -> None:
        """Kill the daemon of a node alone: its jobs go on."""
        psutil.Process(self._daemon(node)).kill()

    def _daemon(self, node: str) -> int:
        return int((self._folder / f"slurmd-{node}.pid").read_text())

    def kill_node(self, node: str) -> None:
        """Kill everything on a node at once, as a power cut does.

        All of it is stopped first: what still ran would tell Slurm how the rest ended.
        """
        jobs = [process for process in psutil.process_iter() if self._is_on(process, node)]
        everything = [*map(_step_of, jobs), *jobs]
        with suppress(OSError, ValueError, psutil.Error):
            everything.insert(0, psutil.Process(self._daemon(node)))
        for end in (psutil.Process.suspend, psutil.Process.kill):
            for process in everything:
                with suppress(psutil.Error):
                    end(process)

    def restart_node(self, node: str) -> None:
        """Start a node that was killed, or its daemon, once Slurm has given it up."""
        wait_until(lambda: self.state(node).startswith("down"))
        self.start_node(node)

    def _is_on(self, process: psutil.Process, node: str) -> bool:
        """Whether a process is of a job on a node."""
        with suppress(psutil.Error):
            its = process.environ()
            return (its.get("SLURMD_NODENAME"), its.get("SLURM_CONF")) == (node, self._conf)
        return False

    def state(self, node: str) -> str:
        """What Slurm says of a node, such as `idle` or `down*`."""
        return self.ask("sinfo", "--noheader", "--nodes", node, "--format=%t").split()[0]

    def jobs(self) -> dict[str, tuple[str, str, str]]:
        """The state of every job it remembers, its node, and the rule that it is of, by number."""
        lines = self.ask(
            "squeue", "--states=all", "--noheader", "--format=%i|%T|%N|%k"
        ).splitlines()
        fields = (line.split("|", 3) for line in lines)
        return {number: (state, node, comment) for number, state, node, comment in fields}

    def restarts(self, number: str) -> int:
        """How often a job that it remembers was started again."""
        (count,) = re.findall(r" Restarts=(\d+) ", self.ask("scontrol", "show", "job", number))
        return int(count)

    def ask(self, *command: str) -> str:
        """What a command prints."""
        return self._run(*command).stdout

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        found = _which(program)
        assert found is not None
        return subprocess.run(
            [found, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )


@contextmanager
def running(folder: Path, cpus: int | None = None, gpus: int = 0) -> Iterator[Slurm]:
    """A Slurm whose files are in a new folder (`Slurm`), until the block ends."""
    slurm = Slurm(folder, cpus, gpus)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.2)


def _step_of(process: psutil.Process) -> psutil.Process:
    """The process of Slurm that looks after a job's process; that itself if there is none."""
    with suppress(psutil.Error):
        return next((p for p in process.parents() if p.name() == "slurmstepd"), process)
    return process


def _free_ports(count: int) -> list[int]:
    """Ports on which nothing listens now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
