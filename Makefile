# make demo   the whole study on the handwritten digits, a few minutes, nothing to download but what it installs
# make run    the study of config.yaml on CIFAR-10
# make plan   what a run of config.yaml would do and take; CONFIG=config/digits.yaml names another config file
# make status how far it is
# make new STUDY=../my-study   a folder for a study of your own (docs/own-study.md)
# make test   the tests, except for these:
# make test-faults   real kills and faults, fuzzing, and CIFAR-10 itself
# make test-newest   what compares with Keras, on the newest Keras and TensorFlow
# make test-slurm    the workflow on a real Slurm, which it installs on Debian
# make coverage      lines and branches that make test and make test-faults run, in all their processes
# make mutants  the library broken a line at a time, to see which breaks no test sees; MODULE=report/table for one,
#             SAMPLE=20 breaks of each
# make lint   formatting, style and types
# make docs   the tables of settings, from the schema, and the documentation as a site
# make bench  every measurement of docs/performance.md, an hour on 2 cores
# make gpu    TensorFlow with CUDA into .venv, for an NVIDIA GPU
# make lock   new exact versions from envs/*.in

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo run plan status new test test-faults test-newest test-slurm coverage mutants lint docs bench gpu lock clean

demo: $(VENV)/.installed
	@echo "How far it is, in another terminal: CONFIG=config/digits.yaml make status"
	$(BIN)/snakemake --cores all --configfile config/digits.yaml
	@echo "The report: $(CURDIR)/results/digits/report/index.html"

run: $(VENV)/.installed
	$(BIN)/snakemake --cores 1 --resources gpu=1
	@echo "The report: $(CURDIR)/results/report/index.html"

plan status: $(VENV)/.installed
	@$(BIN)/python scripts/status.py $(if $(filter plan,$@),--plan) $(if $(CONFIG),--configfile $(CONFIG))

new:
	@$(PYTHON) scripts/new_study.py $(if $(STUDY),'$(STUDY)',$(error name the folder: make new STUDY=../my-study))

# A process per core; tests that share a study run in one of them (tests/conftest.py).
WORKERS := --numprocesses logical --maxprocesses 8 --dist loadgroup

test: $(VENV)/.installed-dev
	$(BIN)/pytest -m "not faults and not slurm" $(WORKERS)

test-faults: $(VENV)/.installed-dev
	$(BIN)/pytest -m faults $(WORKERS) -rP

test-slurm: $(VENV)/.installed-dev
	tests/with_slurm $(BIN)/pytest -m slurm -s --durations=0

# What compares with Keras, on the newest Keras and TensorFlow there are.
test-newest: $(VENV)/.python
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/pip install --quiet --disable-pip-version-check -r envs/requirements-dev.txt
	.venv-newest/bin/pip install --quiet --disable-pip-version-check --upgrade keras tensorflow
	.venv-newest/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	.venv-newest/bin/pytest -m "not faults" $(WORKERS) $(addprefix tests/test_,$(addsuffix .py,layers losses optimizers network training checkpoint))

coverage: $(VENV)/.installed-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not slurm" $(WORKERS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

mutants: $(VENV)/.installed-dev
	$(BIN)/python tests/mutants.py $(MODULE) $(if $(SAMPLE),--sample $(SAMPLE))

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/settings_tables.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "The documentation: $(CURDIR)/site/index.html"

# CIFAR10_ARCHIVE, where it is set, saves the download.
IMAGES = $$(ls -t results/data/*/images.npz | head -1)
WHITENED = $$(ls -t results/data/*/zca.npz | head -1)
BENCH_CONFIG := $(if $(CIFAR10_ARCHIVE),--config 'dataset={archive: $(CIFAR10_ARCHIVE)}')

bench: $(VENV)/.installed .venv-bench/.installed
	$(BIN)/snakemake --until whiten --cores all $(BENCH_CONFIG)
	$(BIN)/python bench/throughput.py
	$(BIN)/python bench/convolutions.py
	$(BIN)/python bench/step_profile.py
	$(BIN)/python bench/side_by_side.py
	$(BIN)/python bench/epoch.py
	$(BIN)/python bench/whiten.py --images $(IMAGES)
	$(BIN)/python bench/scheduler.py
	$(BIN)/python bench/growth.py
	$(BIN)/python bench/sleeping_jobs.py
	$(BIN)/python bench/fixed_costs.py --data $(WHITENED)
	$(BIN)/python bench/accuracy.py --data $(WHITENED)

.venv-bench/.installed: $(VENV)/.python bench/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	touch $@

gpu: $(VENV)/.installed
	$(BIN)/pip install "tensorflow[and-cuda]==$$(sed -n 's/^tensorflow==\([0-9.]*\).*/\1/p' envs/requirements.txt)" \
	    "nvidia-cuda-nvcc-cu12>=12.6.85" # an older ptxas may compile XLA's code for Hopper wrongly: openxla/xla#19927

lock: $(VENV)/.installed-dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	    envs/requirements.in --output-file envs/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	    envs/requirements-dev.in --constraint envs/requirements.txt --output-file envs/requirements-dev.txt

clean:
	rm -rf $(VENV)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo "error: $(PYTHON) is not Python 3.11 to 3.13; name one that is: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.python envs/requirements.txt pyproject.toml
	@echo "Installing TensorFlow and the rest into $(VENV): a few minutes, 3 GB on disk"
	$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed envs/requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements-dev.txt
	touch $@
