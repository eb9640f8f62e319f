# Each target makes what it needs: a virtual environment of its own, with pip.
PYTHON ?= python3
SERVE := .venv-serve
DEV := .venv

.PHONY: serve test lint bench soak train openapi clean

$(SERVE)/ready: pyproject.toml
	$(PYTHON) -m venv $(SERVE)
	$(SERVE)/bin/pip install --quiet --editable .
	touch $@

$(DEV)/ready: pyproject.toml
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install --quiet torch==2.13.0
	$(DEV)/bin/pip install --quiet --editable '.[train,test,dev]'
	touch $@

serve: $(SERVE)/ready
	MINGJIAN_AUTH=off $(SERVE)/bin/mingjian serve

test: $(DEV)/ready
	$(DEV)/bin/python -m pytest

lint: $(DEV)/ready
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy

bench: $(DEV)/ready
	$(DEV)/bin/python -m training.bench

# Jobs of 50,000 rows through kills, and a thousand clients for a minute; wants a machine of its own.
soak: $(DEV)/ready
	MINGJIAN_SOAK=1 $(DEV)/bin/python -m pytest -s tests/service/test_load.py tests/service/test_processes.py

# The whole way to a model, from the base encoder on; each step goes on where it was stopped. TEXTS are folders of text
# that the vocabulary is counted on. The encoder is not adapted: it did not pay (models/COMPARISON.md).
TEXTS ?= data/corpus
MINGJIAN := $(DEV)/bin/mingjian

base/encoder/config.json: | $(DEV)/ready
	$(MINGJIAN) base base/encoder $(TEXTS:%=--texts %)

train: base/encoder/config.json
	$(MINGJIAN) train --config training/configs/twelve-layers.yaml --out runs/twelve-layers
	$(MINGJIAN) train --config training/configs/distilled.yaml --out runs/distilled
	$(MINGJIAN) package runs/distilled runs/model

clean:
	rm -rf $(SERVE) $(DEV) build dist *.egg-info

openapi: $(DEV)/ready
	$(DEV)/bin/python -m service.openapi
