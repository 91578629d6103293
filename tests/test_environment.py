"""pyproject.toml, requirements.lock and environment.yml name the same packages; they install."""

import re
import shutil
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]


def packages(lines: list[str]) -> set[str]:
    """Names of packages, as registries compare them, of lines of requirements."""
    found = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def pip_part() -> list[str]:
    """What environment.yml has pip install."""
    content = yaml.safe_load((PROJECT / "environment.yml").read_text())
    (part,) = (entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    return [str(line) for line in part]


def test_every_package_that_is_needed_is_locked() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    needed = [line for group in groups for line in group]
    locked = (PROJECT / "requirements.lock").read_text().splitlines()
    assert packages(needed) <= packages(locked)


def test_conda_installs_what_is_locked() -> None:
    """By name of the lock, so that it cannot differ; and the evaluator as `make` does."""
    *locked, evaluator = pip_part()
    assert locked == ["--requirement requirements.lock", "--editable ."]
    makefile = (PROJECT / "Makefile").read_text()
    (address,) = re.findall(r"^EVALUATOR := (.*)$", makefile, re.MULTILINE)
    assert evaluator == f"davis2017 @ {address}"


def pip_of(environment: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pip of an environment in a folder."""
    command = [str(environment / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )


def is_there(address: str) -> bool:
    """Whether a repository of git can be reached."""
    repository = address.removeprefix("git+").partition("@")[0]
    command = ["git", "ls-remote", "--exit-code", repository, "HEAD"]
    try:
        return not subprocess.run(command, capture_output=True, timeout=60, check=False).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.mark.install
def test_what_conda_has_pip_install_gives_a_command_that_runs(tmp_path: Path) -> None:
    """As conda does it: the lines as a file beside environment.yml. It takes 6 GB and minutes."""
    environment, project = tmp_path / "environment", tmp_path / "project"
    venv.create(environment, with_pip=True)
    project.mkdir()
    for name in ("requirements.lock", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, project)
    for name in ("rgmp", "snakemake_logger_plugin_rgmp"):
        shutil.copytree(PROJECT / name, project / name)
    probe = pip_of(environment, "download", "--no-deps", "hatchling", folder=tmp_path)
    if probe.returncode:
        pytest.skip(f"no packages can be fetched: {probe.stderr.strip().splitlines()[-1]}")
    *lines, evaluator = pip_part()
    if is_there(evaluator.partition(" @ ")[2]):
        lines.append(evaluator)
    else:
        print(f"left out, it cannot be reached: {evaluator}")
    (project / "conda.requirements.txt").write_text("\n".join(lines))
    done = pip_of(environment, "install", "-r", "conda.requirements.txt", folder=project)
    assert done.returncode == 0, done.stderr
    consistent = pip_of(environment, "check", folder=project)
    assert consistent.returncode == 0, consistent.stdout
    shown = subprocess.run(
        [str(environment / "bin/rgmp"), "--version"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
