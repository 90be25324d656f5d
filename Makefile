# make demo   the whole study on the handwritten digits, a few minutes, no network
# make run    the study of config.yaml on CIFAR-10
# make test   every test
# make lint   formatting and style
# make gpu    TensorFlow with CUDA into .venv, for an NVIDIA GPU
# make lock   new exact versions from envs/*.in

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo run test lint gpu lock clean

demo: $(VENV)/.installed
	$(BIN)/snakemake --cores all --configfile config/digits.yaml
	@echo "The report: $(CURDIR)/results/digits/report/index.html"

run: $(VENV)/.installed
	$(BIN)/snakemake --cores 1 --resources gpu=1
	@echo "The report: $(CURDIR)/results/report/index.html"

test: $(VENV)/.installed-dev
	$(BIN)/pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

gpu: $(VENV)/.installed
	$(BIN)/pip install "tensorflow[and-cuda]==$$(sed -n 's/^tensorflow==\([0-9.]*\).*/\1/p' envs/requirements.txt)"

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

$(VENV)/.installed: $(VENV)/.python envs/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed envs/requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements-dev.txt
	touch $@
