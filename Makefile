# Everything a contributor types. Each target sets up what it needs in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --dist worksteal
WORKERS ?= 4

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	@echo "setting up $(VENV): it takes minutes, and that once" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  (apt-get update -q && apt-get install -yq python3-venv && $(PYTHON) -m venv $(VENV))
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]" --group dev
	@touch $@

.PHONY: setup
setup: $(READY) ## make .venv with all that is needed

.PHONY: demo
demo: setup ## watch tasks and a steady beat on three servers, one of which is killed
	@$(BIN)/onebeat demo

.PHONY: compiled
compiled: setup # once, and not by each process that tests start anew
	@$(BIN)/python -m compileall -q src bench tests

# The engine of the wheel is built without TLS. Where none can be installed, what is tested with TLS is left out.
.PHONY: engine
engine:
	@command -v redis-server >/dev/null || command -v valkey-server >/dev/null || \
	  (apt-get update -q && apt-get install -yq redis-server) || \
	  echo "no server with TLS: tests/topology/test_secured.py is left out; apt-get install redis-server" >&2

HERE := --ignore=tests/web/browser -m "not interop and not prometheus and not browser"

.PHONY: test
test: compiled engine ## everything deterministic
	@$(PYTEST) -n $(WORKERS) $(HERE)

.PHONY: test-sentinel
test-sentinel: compiled engine ## the same against a primary with two replicas and three sentinels
	@ONEBEAT_TEST_TOPOLOGY=sentinel $(PYTEST) -n $(WORKERS) $(HERE)

.PHONY: test-cluster
test-cluster: compiled engine ## the same against a cluster of six nodes
	@ONEBEAT_TEST_TOPOLOGY=cluster $(PYTEST) -n $(WORKERS) $(HERE)

# What faces the outside over HTTP takes as long as all the rest.
OUTSIDE := $(addprefix --ignore=tests/,web/api web/fleet web/oidc web/security observe deploy integrations)

.PHONY: check
check: compiled ## lint, mypy, import contract, fast tests of what is inside: under a minute
	@$(MAKE) --no-print-directory --keep-going --jobs 4 --output-sync=target lint-style lint-mypy lint-imports
	@$(PYTEST) -n 2 -q $(OUTSIDE) --ignore-glob='tests/web/test_*.py' -m "not slow and not interop and not prometheus and not browser"

.PHONY: lint
lint: setup ## format, lint, types, import contract
	@$(MAKE) --no-print-directory --keep-going --jobs 4 --output-sync=target lint-style lint-mypy lint-pyright lint-imports

.PHONY: lint-style lint-mypy lint-pyright lint-imports # beside one another; what each says stands together
lint-style:
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
lint-mypy:
	@$(BIN)/mypy
lint-pyright:
	@$(BIN)/pyright --level error
lint-imports:
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

.PHONY: docs
docs: setup ## build the documentation site in build/site
	@$(BIN)/python docs/site/build.py

.PHONY: schemas
schemas: setup ## write the JSON Schemas of the command line; refuses to break those that are there
	@$(BIN)/python docs/site/schemas.py

.PHONY: console-api
console-api: setup ## write the reference of the console's API from the table of its operations
	@$(BIN)/python docs/site/console_api.py

.PHONY: interop
interop: compiled ## with the real asynq, and the table of who × what; needs Go
	@$(BIN)/python -m tests.interop.programs
	@ONEBEAT_INTEROP=whole $(PYTEST) -n $(WORKERS) -q -m interop tests/interop

.PHONY: prometheus
prometheus: setup ## with a real Prometheus: scrapes, queries of the dashboard, alert rules; needs prometheus, promtool
	@$(PYTEST) -q -m prometheus tests/deploy

.PHONY: chromium
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	  (apt-get update -q && apt-get install -yq --no-install-recommends chromium fonts-dejavu-core) || \
	  (echo "the browser tests need Chromium: apt-get install chromium" && false)

.PHONY: browser
browser: compiled chromium ## the console in Chromium, over servers that work; pictures of all pages in build/console
	@CI=true $(PYTEST) -n 2 -q -m browser tests/web/browser

.PHONY: screenshots
screenshots: setup chromium ## take the pictures of the console that the documentation shows
	@CI=true ONEBEAT_SCREENSHOTS=docs/assets/console $(PYTEST) -q -m browser tests/web/browser/test_screenshots.py

.PHONY: format
format: setup ## format and mend what can be mended
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

.PHONY: proto
proto: setup ## generate the wire messages again, readable by the oldest protobuf we support
	@$(PYTHON) -m venv $(VENV)/protoc && $(VENV)/protoc/bin/pip install --quiet "grpcio-tools==1.74.0"
	@$(VENV)/protoc/bin/python -m grpc_tools.protoc -Isrc --python_out=src --pyi_out=src src/onebeat/wire/asynq.proto
	@sed -i 's/Timestamp, _Mapping\]/Timestamp, _Mapping[str, int]]/g' src/onebeat/wire/asynq_pb2.pyi # else its type is unknown

.PHONY: proof-throughput proof-latency proof-crash proof-beat proof-outage proof-versus-go proof-idle proof-machine proof-fire proof-chaos proof-rules proof-gil proof-pythons proof-weight proof-differential proof-inspector proof-failover proof-scrape proof-observing proof-console proof-history
proof-throughput: setup ## measure: drain and enqueue, tasks a second and broker time per task
	@$(BIN)/python -m bench.throughput
proof-latency: setup ## measure: delayed tasks, and how soon an idle server picks up
	@$(BIN)/python -m bench.latency
proof-crash: setup ## measure: kill -9 of a server with 50 running tasks, lease 15 s
	@$(BIN)/python -m bench.crash
proof-beat: setup ## measure: the demo's beat over 30 s, and a separate count of its rows
	@$(BIN)/python -m bench.beat
proof-outage: setup ## measure: the store killed three times under load
	@$(BIN)/python -m bench.outage
proof-versus-go: setup ## measure: the same work by Onebeat and by asynq, alternating; needs Go
	@$(BIN)/python -m bench.versus_go
proof-idle: setup ## measure: requests and processor time of idle servers with 1, 10 and 10,000 queues
	@$(BIN)/python -m bench.idle
proof-machine: setup ## prove: 8,000 random histories of everything that touches a queue
	@ONEBEAT_MACHINE_EXAMPLES=8000 $(PYTEST) -q -s --timeout 3600 tests/broker/test_machine.py
proof-fire: setup ## measure: the store away or full for 30 s under load, three rounds each way
	@$(BIN)/python -m bench.fire
proof-chaos: setup ## prove: ten minutes of SIGKILL, SIGSTOP and cut connections, 50,000 tasks; SEED=n
	@$(BIN)/python -m bench.chaos $(SEED)
proof-rules: setup ## prove: take each rule out of a copy of the source, and see its test fail
	@$(BIN)/python -m bench.rules
proof-gil: setup ## measure: what code that holds the interpreter lock does to leases
	@$(BIN)/python -m bench.gil
proof-pythons: setup ## prove: the suite on other interpreters; PYTHONS="python3.12 python3.13 python3.14"
	@for python in $(PYTHONS); do \
	  version=$$($$python -c 'import platform; print(platform.python_version())') && room=$(VENV)/pythons/$$version && \
	  $$python -m venv --without-pip $$room && \
	  $(BIN)/python -m pip --python $$room/bin/python install -q --editable ".[dev]" --group dev && \
	  echo "Python $$version" && $$room/bin/python -m pytest -q -n $(WORKERS) -m "not interop and not prometheus and not browser" -p no:cacheprovider || exit 1; \
	done
proof-failover: setup ## measure: how soon writes resume after a switch of sentinels, a fail-over of a cluster
	@$(BIN)/python -m bench.failover
proof-weight: setup ## measure: import time and idle memory, beside streaq, taskiq, dramatiq and celery; needs PyPI
	@$(BIN)/python -m bench.weight
proof-differential: setup ## prove: put faults into our scripts, and see the comparison with asynq notice; needs Go
	@$(PYTEST) -q -m interop tests/interop/differential/mutants.py
.PHONY: proof-api
proof-api: setup ## prove: 400 requests of each kind to each operation of the API, by its own document
	@ONEBEAT_API_EXAMPLES=400 $(PYTEST) -q -n 2 --timeout 3600 tests/web/api/test_fuzz.py

.PHONY: proof-search
proof-search: setup ## measure: how long it takes to find 12 of 100,000 tasks
	@$(BIN)/python -m bench.search

.PHONY: proof-day
proof-day: setup ## play a day on call in a terminal, and write down what appears in docs/proofs/on-call.txt
	@ONEBEAT_TRANSCRIPT=docs/proofs/on-call.txt $(PYTEST) -q tests/docs/test_on_call.py

proof-inspector: setup ## measure: how long bulk operations on 200,000 tasks hold the store
	@$(BIN)/python -m bench.inspector
proof-scrape: setup ## measure: what a scrape costs the store with 1, 100 and 10,000 queues, beside asynq's exporter
	@$(BIN)/python -m bench.scrape
proof-observing: setup ## measure: what it costs a task that somebody observes it
	@$(BIN)/python -m bench.observing
proof-console: setup ## measure: what open pages of the console cost, with 1,000 queues and 1,000,000 tasks
	@$(BIN)/python -m bench.console
proof-history: setup ## measure: what it costs a drained task that its attempts are kept and series recorded
	@$(BIN)/python -m bench.history
proof-startup: setup ## measure: how long the command line takes to say its help
	@$(BIN)/python -m bench.startup
