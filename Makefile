# The only commands a person must know. `make run` starts the monitor; the rest is for those who change it.
#
#   make run [CONFIG=file.toml] [PORT=8080] [SPEED=60]     make test [ARGS="-k ledger"]     make lint
#   PYTHON=/path/to/python3.11 chooses the interpreter, VENV=folder where its packages go.

PYTHON ?= python3
VENV ?= .venv
UV ?= uv
ARGS ?=

MAKEFLAGS += --no-print-directory
unexport PYTHONDONTWRITEBYTECODE  # else every start of the program and every test process compiles it all anew
python := $(VENV)/bin/python
pip := $(python) -m pip install --quiet --disable-pip-version-check
compile := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# Debian keeps mosquitto in a folder that is not on everybody's path
export PATH := $(PATH):/usr/sbin:/sbin

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: run test lint bench bars soak asterisk docs schema messages handbook constraints machine-test ready

run: $(VENV)/run.stamp  ## start the monitor; without CONFIG a simulated day on http://127.0.0.1:8080
	@echo "Starting the monitor$(if $(CONFIG), on $(CONFIG), on a simulated day)"
	@$(if $(PORT),QUEUE_MONITOR_HTTP__PORT=$(PORT)) exec $(python) -m queue_monitor run \
		$(if $(CONFIG),--config $(CONFIG)) $(if $(SPEED),--speed $(SPEED))

test: machine-test $(VENV)/dev.stamp  ## every test, against the real Mosquitto, PostgreSQL, Prometheus and Chromium
	$(python) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/dev.stamp  ## ruff and mypy
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) -m mypy benchmarks

bench: $(VENV)/dev.stamp  ## measure; results are printed
	@for file in $(wildcard benchmarks/bench_*.py); do echo "== $$file"; $(python) $$file || exit 1; done

bars: $(VENV)/dev.stamp  ## how well the at-risk alert foretells, on simulated days and on real ones: BANK=calls.csv BANK_CONFIG=hours.toml
	$(python) benchmarks/bars.py $(if $(DAYS),--days $(DAYS)) $(if $(BANK),--bank $(BANK)) \
		$(if $(BANK_CONFIG),--bank-config $(BANK_CONFIG)) $(ARGS)

.PHONY: packages image
packages: $(VENV)/dev.stamp  ## the wheel, the sdist, the pins, the SBOM and their hashes, in dist/
	$(python) -m deploy.release.packages dist

image:  ## build the image and try it; with Docker or Podman, else with buildah, as root (docs/packages.md)
	$(PYTHON) -m deploy.release.image

soak: machine-test $(VENV)/dev.stamp  ## the long tests, hours rather than minutes: those marked `soak`, and all examples
	$(python) -m pytest -m "soak or hypothesis" --hypothesis-profile long --timeout 0 $(ARGS)

asterisk: $(VENV)/dev.stamp  ## the run against a live Asterisk, in a chroot made once; as root, on Debian
	@command -v debootstrap >/dev/null || test "$$(id -u)" != 0 || apt-get install -q -y --no-install-recommends debootstrap
	$(python) -m tests.asterisk.chroot
	$(python) -m pytest -m asterisk -s tests/asterisk $(ARGS)

docs: schema messages handbook  ## write again the documents that are made from code

schema: $(VENV)/run.stamp  ## docs/events-v1.schema.json, the published form of every event
	$(python) -c 'import json; from queue_monitor.events import json_schema; \
		print(json.dumps(json_schema(), indent=2, ensure_ascii=False))' > docs/events-v1.schema.json

messages: $(VENV)/dev.stamp  ## docs/messages.md, every message that a person can get
	$(python) -m tests.alerts.messages > docs/messages.md

handbook: $(VENV)/dev.stamp  ## docs/settings.md, docs/metrics.md, the tables of adapters/README.md, a board's names
	$(python) -m tests.handbook settings > docs/settings.md
	$(python) -m tests.handbook metrics > docs/metrics.md
	$(python) -m tests.handbook board
	$(python) -m tests.handbook adapters

constraints:  ## choose the newest allowed packages and pin them with their hashes
	@command -v $(UV) >/dev/null || { echo "uv is needed: pip install uv, or make constraints UV=/path/to/uv"; exit 1; }
	$(compile) --upgrade --extra postgres --extra pdf pyproject.toml -o requirements/run.txt
	$(compile) --upgrade --extra dev --extra postgres pyproject.toml -o requirements/dev.txt

# Made once, and again when what they stand on changes. `run` needs no install of ours: it starts from this folder.

machine-test:
	@.ci/machine test $(PYTHON)

ready: machine-test $(VENV)/dev.stamp

$(VENV)/made.stamp: requirements/pip.txt
	@.ci/machine run $(PYTHON)
	@echo "Making a place for the packages: $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(pip) --require-hashes -r requirements/pip.txt
	@touch $@

$(VENV)/run.stamp: $(VENV)/made.stamp requirements/run.txt
	@echo "Installing the $$(grep -c == requirements/run.txt) packages that the monitor needs, once: some seconds where pip" \
		"has fetched them before, else a minute or two"
	@$(pip) --no-compile --require-hashes -r requirements/run.txt  # Python compiles what it uses at the first start
	@touch $@

$(VENV)/dev.stamp: $(VENV)/made.stamp requirements/dev.txt pyproject.toml
	@echo "Installing the packages that the tests need; this takes some minutes, once"
	@$(pip) --no-compile --require-hashes -r requirements/dev.txt
	@$(python) -m compileall -q -j 0 $(VENV)/lib || true  # pip would compile on one core
	@$(pip) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/run.stamp
