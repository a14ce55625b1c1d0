# `make serve` and `make test` install everything that they need; `make help` lists all targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := .venv-bench
SHARED ?= ../shared
HELDOUT := build/data/heldout
SMOKE := build/smoke
TORCH_INDEX ?=
PYTEST_FLAGS ?=
TYPESCRIPT := typescript@5.9.3
TSC := build/tsc/node_modules/typescript/bin/tsc
FAST := $(addprefix tests/,batch db events jobs queue remote storage) $(addprefix tests/test_,architecture.py \
	files.py lock.py names.py settings.py) tests/routes/test_munsit_wire.py tests/routes/test_errors.py tests/messages tests/test_docs.py
# OpenMP teams of several workers on the same cores would spin in each other's way. Bytecode is kept, also where the
# environment forbids it: four processes would each compile the tests and the package, and so would every server they start
TESTING := OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=
PROGRAMS := curl curl node nodejs npm npm chromium chromium pg_ctlcluster postgresql # that tests need, and their packages

CONTRACT := $(addprefix tests/routes/test_,munsit_contract.py audo_contract.py audo_jobs.py)

.DEFAULT_GOAL := help
.PHONY: help install serve test published compiled test-fast test-cluster chaos fuzz-api coverage lint types check format docs lock release clean \
	bench-quality bench-heldout bench-hard bench-rooms bench-harm bench-best bench-speed bench-gpu bench-api bench-cluster \
	bench-seams spectrograms train-smoke

help: ## Explain the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(STAMP) ## Create .venv with the locked packages; install ffmpeg where it is missing

$(STAMP): requirements.lock requirements-torch.lock pyproject.toml scripts/install.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) TORCH_INDEX=$(TORCH_INDEX) sh scripts/install.sh
	@touch $@

serve: install ## Migrate, create a first key, serve on 127.0.0.1:8000
	@$(BIN)/munsit-denoise serve

test: install ## Lint, types, all tests
	@sh scripts/system.sh $(PROGRAMS) || echo "The tests that need what is missing are skipped, but for those that need curl"
	@$(MAKE) -s -j3 --output-sync lint types published compiled
	@$(TESTING) $(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_FLAGS)
	@$(MAKE) -s test-cluster

published: install # what tests run of others' clients
	@$(BIN)/python -m tests.published

compiled: install # the tests, once for all of their processes
	@mkdir -p build
	@$(TESTING) $(BIN)/python -m pytest --collect-only -qq > build/collected || { cat build/collected; exit 1; }

test-cluster: install ## The contract once more, on PostgreSQL and an object store
	@$(TESTING) $(BIN)/python -m pytest -n auto -q --deployment cluster $(CONTRACT) $(PYTEST_FLAGS)

test-fast: install ## Fast tests: no videos, no servers, no model
	@$(TESTING) $(BIN)/python -m pytest -n auto --dist worksteal -q -m "not slow" $(FAST) $(PYTEST_FLAGS)

chaos: install ## Kills, stops and fifty clients at random, for half an hour; prints what was lost
	@$(BIN)/python -m tests.chaos

fuzz-api: install ## More than 2,000 valid and invalid requests from /openapi.json
	@$(BIN)/python -m tests.fuzz

coverage: ## `make test`, with the lines and branches that no test reaches
	@$(MAKE) -s test PYTEST_FLAGS="--cov --cov-report=term"

lint: install ## ruff (rules and format), the prose and the generated documents, the console's types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q .
	@$(BIN)/python scripts/prose.py
	@$(BIN)/python scripts/documents.py --check
	@if sh scripts/system.sh npm npm && $(MAKE) -s $(TSC); then node $(TSC) -p jsconfig.json; \
		else echo "typescript cannot be installed here: the console's types are not checked"; fi

$(TSC):
	@npm install --silent --no-save --no-audit --no-fund --prefix build/tsc $(TYPESCRIPT)

types: install ## mypy --strict
	@$(BIN)/mypy

format: install ## Fix what ruff can fix
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

docs: install ## Write docs/api.md and docs/configuration.md from the code
	@$(BIN)/python scripts/documents.py

release: install ## Wheel, source archive, SBOM and checksums in dist/
	@$(BIN)/python scripts/release.py

lock: install ## Resolve the packages again
	@$(BIN)/python scripts/lock.py

bench-quality: install $(PEERS)/.installed ## Scores next to other denoisers, through the whole service
	@$(BIN)/python -m benchmarks.quality --shared $(SHARED) --peers $(PEERS)/bin/python --keep build/scored \
		--json benchmarks/results/development.json

bench-heldout: install $(PEERS)/.installed $(HELDOUT)/pairs.csv ## The same with voices and noises that training never used
	@$(BIN)/python -m benchmarks.quality --shared $(SHARED) --peers $(PEERS)/bin/python --pairs $(HELDOUT) \
		--json benchmarks/results/heldout.json

$(HELDOUT)/pairs.csv:
	@$(BIN)/python -m training.prepare build/data heldout

spectrograms: install $(PEERS)/.installed ## Pictures for the model card, after bench-quality
	@$(PEERS)/bin/python -m benchmarks.spectrograms $(SHARED)/audio/dev build/scored/ours \
		munsit_denoise/engine/weights/spectrograms.png mix_025_en_16k mix_013_hu_48k vbd_p287_003 mix_004_he_48k

bench-best: install $(PEERS)/.installed ## What quality=best gains and costs
	@$(BIN)/python -m benchmarks.best --shared $(SHARED) --peers $(PEERS)/bin/python

bench-harm: install $(PEERS)/.installed $(HELDOUT)/pairs.csv ## What remains of music and noise without speech
	@$(BIN)/python -m benchmarks.harm --shared $(SHARED) --peers $(PEERS)/bin/python --pairs $(HELDOUT)

bench-hard: install $(PEERS)/.installed ## Voices that pass for noise, noise that passes for a voice
	@$(BIN)/python -m benchmarks.hard --shared $(SHARED) --peers $(PEERS)/bin/python --json benchmarks/results/hard.json

bench-rooms: install $(PEERS)/.installed $(HELDOUT)/pairs.csv ## What keep=dry-voice removes of reverberation
	@$(BIN)/python -m benchmarks.rooms --shared $(SHARED) --peers $(PEERS)/bin/python --pairs $(HELDOUT) \
		--json benchmarks/results/rooms.json

bench-speed: install $(PEERS)/.installed ## Speed and memory next to DeepFilterNet3
	@$(BIN)/python -m benchmarks.speed --shared $(SHARED) --peers $(PEERS)/bin/python

bench-gpu: install ## An hour of sound on CUDA; difference between CPU and CUDA
	@$(BIN)/python -m benchmarks.gpu --shared $(SHARED)

bench-seams: install ## Ten minutes with other window positions; clicks at the joints
	@$(BIN)/python -m benchmarks.seams --shared $(SHARED)

bench-api: install ## A thousand listeners; pages of a long history
	@$(BIN)/python -m benchmarks.api --shared $(SHARED)

bench-cluster: install ## Jobs a second, events, submissions, starts and idle processes of a cluster
	@$(BIN)/python -m benchmarks.cluster

train-smoke: install ## The four commands of training/README.md on two minutes of computed sound
	@rm -rf $(SMOKE)
	@$(BIN)/python -m training.prepare $(SMOKE) smoke
	@OMP_NUM_THREADS=1 $(BIN)/python -m training.train training/recipes/smoke.toml
	@$(BIN)/python -m training.average $(SMOKE)/mean.safetensors $(SMOKE)/run/model.safetensors $(SMOKE)/run/model.safetensors
	@$(BIN)/python -m training.evaluate $(SMOKE)/mean.safetensors $(SMOKE)/heldout

$(PEERS)/.installed: benchmarks/requirements.txt
	@$(PYTHON) -m venv $(PEERS) && $(PEERS)/bin/pip install -q --disable-pip-version-check -r $< && touch $@

clean: ## Remove everything that was built; keep data
	@rm -rf $(VENV) $(PEERS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
