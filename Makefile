# The project's own environment, in .venv, and the tasks that run in it.
#
#   make all          the study on the embedded benchmark, from scratch to results/mini/report.html
#   make test         style, types, workflow and tests
#   make test-avx2    the tests that train or infer, as on a CPU without AVX-512
#   make test-cluster a study over two nodes of a Slurm on this machine, one of which dies; minutes
#   make test-install environment.yml's packages in an environment of their own; minutes, from the network
#   make faults       run hundreds of invalid and some valid inputs, and count the expected outcomes
#   make reference    renew results/reference/ and the documents' tables, from results/ or from their scores
#   make evaluator    add DAVIS's official evaluator, if it could not be fetched at first
#   make wheels       what `rgmp selftest` needs beside torch and numpy, for a machine without network
#   make lock         update requirements.lock
#   make clean        remove the environment and caches; results/ stays
#
# With another interpreter: make PYTHON=python3.12 all
# With the official evaluator from elsewhere, a folder or an address: make EVALUATOR=../mine all

PYTHON ?= python3
EVALUATOR := git+https://github.com/davisvideochallenge/davis2017-evaluation@ac7c43fca936f9722837b7fbd337d284ba37004b
EVALUATOR_SECONDS := 60

pip := .venv/bin/python -m pip --disable-pip-version-check
environment := .venv/installed
# tests/conftest.py says how many workers; tests that share a fixture stay on one of them. A test
# that hangs for so many seconds says where, and its worker is ended: the test has failed.
pytest := pytest --numprocesses auto --dist loadscope --no-loadscope-reorder \
	-o faulthandler_timeout=1200 -o faulthandler_exit_on_timeout=true
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# where it is set, each of hundreds of processes would compile every module anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all test check-style check-imports check-workflow check-types check-behaviour test-avx2 test-cluster test-install faults reference evaluator wheels lock clean
.DELETE_ON_ERROR:

all: $(environment)
	snakemake --cores 4 all

# What fails within seconds comes first; types, which take a minute the first time, beside the tests.
test: $(environment)
	$(MAKE) --no-print-directory --jobs check-style check-imports check-workflow
	$(MAKE) --no-print-directory --jobs check-types check-behaviour

check-behaviour:
	$(pytest)

check-style:
	ruff check .
	ruff format --check .

check-types:
	mypy

check-imports:
	lint-imports --no-logo

check-workflow:
	snakefmt --check Snakefile workflow
	snakemake --lint

# torch selects its kernels by CPU; these are the ones of most laptops.
test-avx2: export ONEDNN_MAX_CPU_ISA := AVX2
test-avx2: export ATEN_CPU_CAPABILITY := avx2
test-avx2: $(environment)
	$(pytest) -m torch

# Without xdist: it is one study, and Slurm decides what runs at once.
test-cluster: $(environment)
	pytest -m cluster tests/cluster

# What conda has pip install, into an environment that has nothing yet.
test-install: $(environment)
	pytest -m install tests/test_environment.py

faults: $(environment)
	python tests/fault_campaign.py

reference: $(environment)
	python tests/reference.py

# A command that is ended, with all that it started, after so many seconds; not every system has timeout(1).
define LIMITED
import os, signal, subprocess, sys
started = subprocess.Popen(sys.argv[2:], start_new_session=True)
try:
    sys.exit(started.wait(float(sys.argv[1])))
except BaseException:
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL)
    raise
endef
export LIMITED

# Without its own requirements, among which is an OpenCV with a GUI, whose libraries servers lack.
add_evaluator := rm -rf .venv/evaluator && \
	.venv/bin/python -c "$$LIMITED" $(EVALUATOR_SECONDS) \
		$(pip) wheel --no-deps --wheel-dir .venv/evaluator "$(EVALUATOR)" && \
	$(pip) install --constraint requirements.lock opencv-python-headless scikit-image tqdm && \
	$(pip) install --no-deps --force-reinstall .venv/evaluator/davis2017-*.whl

evaluator: $(environment)
	$(add_evaluator)

# What `rgmp selftest` imports, and the packages that these need; the last line is for its tests.
WHEELS_PYTHON := 3.12
selftest_needs := annotated-types filelock isal pandas pillow psutil pydantic pydantic-core \
	python-dateutil pyyaml safetensors scipy typing-extensions typing-inspection \
	iniconfig packaging pluggy pygments pytest
# manylinux2014 is x86-64; pip takes no wheel of another tag than those that it is told
platforms := $(foreach tag,manylinux2014 manylinux_2_17 manylinux_2_27 manylinux_2_28,--platform $(tag)_x86_64)

wheels: $(environment)
	grep -E '^($(shell echo $(selftest_needs) | tr ' ' '|'))==' requirements.lock > .venv/selftest.txt
	$(pip) download --quiet --no-deps --only-binary :all: --python-version $(WHEELS_PYTHON) \
		$(platforms) --dest $@ --requirement .venv/selftest.txt
	@du -ch $@ | tail -1

# torch and torchvision are built for each other, so this pair is updated by hand.
lock: | .venv/bin/python
	$(pip) install --quiet uv
	printf 'torch==2.14.0\ntorchvision==0.29.0\n' | \
	uv pip compile pyproject.toml --quiet --output-file requirements.lock --upgrade \
		--constraint - --universal --python-version 3.11 --all-extras --no-annotate --no-header

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(environment): requirements.lock pyproject.toml | .venv/bin/python
	@echo 'the packages of requirements.lock are installed in .venv, which takes minutes'
	$(pip) install --quiet --requirement requirements.lock
	$(pip) install --quiet --no-deps --editable .
	@{ $(add_evaluator); } > .venv/evaluator.log 2>&1 \
		&& echo 'davis2017-evaluation is installed: studies are cross-checked with it' \
		|| echo 'davis2017-evaluation is not installed, so studies are not cross-checked with it:' \
		'$(EVALUATOR) cannot be reached or built within $(EVALUATOR_SECONDS) s' \
		'(.venv/evaluator.log); `make evaluator` tries again'
	touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("rgmp needs Python 3.11 \
	or later, and $(PYTHON) is %d.%d: make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
