# `make` lists the targets. Everything is installed into $(VENV) from the locked lists of requirements/.

VENV ?= .venv
BUILD ?= auto
PYTHON ?=
TORCH_INDEX ?=
export VENV PYTHON TORCH_INDEX

BIN := $(VENV)/bin
INSTALL := deploy/install.sh $(BUILD)

.DEFAULT_GOAL := help
.PHONY: help demo serve test check format install install-dev images conformance demo-model demo-model-eval quality
.PHONY: quality-test-model compare
.PHONY: postprocess speakers beams fleet live live-peers mixed chaos harden page formats feed precision profile gpu kernel load lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  BUILD=cpu|gpu         which vLLM to install; unset: gpu where there is a fitting one"
	@echo "  PYTHON=python3.12     the interpreter to use, 3.11 to 3.13"
	@echo "  TORCH_INDEX=address   PyTorch's own CPU index, where the default registry has no CPU build of torch"

demo: install ## install, then transcribe human recordings with whisper-base (without a network: the test model)
	$(BIN)/python -m endpoint.demo

serve: install ## serve the API; MODEL, HOST, PORT and every other setting come from the environment
	$(BIN)/endpoint serve

test: check ## format check, lint, types, then the tests, files of them in two processes; PYTEST_ARGS="-n 0 -k NAME"
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: install-dev ## format check, lint, types, and what is deployed: manifests, Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m deploy.check

format: install-dev ## format the code and fix what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: ## install what serving needs
	@$(INSTALL)

install-dev: ## install what testing needs as well
	@$(INSTALL) dev

images: ## build the images for GPU, CPU and the gateway, with bills of materials; IMAGES="gateway cpu"
	deploy/images.sh $(IMAGES)

conformance: install-dev ## drive the server with the official clients, curl and a fuzzer (twenty minutes on two cores)
	$(BIN)/python -m tests.conformance.install
	$(BIN)/python -m pytest tests/conformance $(PYTEST_ARGS)

SPEAKER = command -v espeak-ng >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && apt-get install -y -q --no-install-recommends espeak-ng; \
	else \
		echo "espeak-ng speaks the recordings: install it first (Debian and Ubuntu: sudo apt-get install espeak-ng)"; \
		exit 1; \
	fi

quality: install-dev ## whisper-base on human speech beside others on the same weights (hours on two cores); QUALITY_ARGS=--count=10
	benchmarks/install_peers.sh
	PYTHONPATH=build/peers $(BIN)/python -m pytest -q tests/test_human.py
	PYTHONPATH=build/peers $(BIN)/python -m benchmarks.human $(QUALITY_ARGS)

quality-test-model: install-dev ## word errors, word times and costs of the test model beside other Whisper servers (half an hour)
	@$(SPEAKER)
	benchmarks/install_peers.sh
	PYTHONPATH=build/peers $(BIN)/python -m pytest -q tests/test_engine_inside_rules_reference.py tests/test_engine_words_reference.py
	$(BIN)/python -m benchmarks.quality

compare: install-dev ## speed on human speech beside vLLM's server and faster-whisper, over HTTP (an hour); COMPARE_ARGS=--small
	benchmarks/install_peers.sh
	PYTHONPATH=build/peers $(BIN)/python -m pytest -q tests/test_compare.py
	PYTHONPATH=build/peers $(BIN)/python -m benchmarks.compare $(COMPARE_ARGS)

speakers: install-dev ## who spoke when beside senko: error rates, words, speed, memory (a quarter of an hour); SPEAKERS_ARGS="--ami FOLDER"
	benchmarks/install_peers.sh benchmarks/speakers/peers.txt build/speakers-peers
	OPENBLAS_NUM_THREADS=1 PYTHONPATH=build/speakers-peers $(BIN)/python -W ignore -m benchmarks.speakers $(SPEAKERS_ARGS)

beams: install-dev ## beam search beside openai/whisper's, token for token (ten minutes); BEAMS_ARGS=--count=16
	benchmarks/install_peers.sh
	PYTHONPATH=build/peers $(BIN)/python -m benchmarks.beams $(BEAMS_ARGS)

live: install-dev ## live sessions with whisper-base on human speech: equality, word errors, lags (ten minutes); LIVE_ARGS=--only=lag
	$(BIN)/python -m benchmarks.live $(LIVE_ARGS)

live-peers: install-dev ## live sessions beside WhisperLive's own server, on the same weights and sound (ten minutes)
	benchmarks/install_peers.sh
	benchmarks/install_peers.sh benchmarks/live/peers.txt build/live-peers
	$(BIN)/python -m benchmarks.live.peers $(LIVE_ARGS)

mixed: install-dev ## a thousand different requests, some given up, leave nothing behind in the engine (ten minutes)
	$(BIN)/python -m benchmarks.mixed

chaos: install-dev ## jobs while workers, servers and stores are killed and cut off (twenty minutes); CHAOS_ARGS=--small
	$(BIN)/python -m benchmarks.chaos $(CHAOS_ARGS)

harden: install-dev ## limits, quotas, overload, abuse, a gateway and a soak against real servers (half an hour); HARDEN_ARGS=--small
	$(BIN)/python -m benchmarks.harden $(HARDEN_ARGS)

page: install-dev ## the page in a real Chromium with whisper-base: flows, axe-core, size, pictures (half an hour); PAGE_ARGS=--small
	$(BIN)/python -m benchmarks.page.install
	$(BIN)/python -m benchmarks.page $(PAGE_ARGS)

fleet: install-dev ## endpoint batch and Ray Serve on a cluster of processes: kills, cost, scaling (an hour); FLEET_ARGS="--only bulk"
	$(BIN)/python -m benchmarks.fleet $(FLEET_ARGS)

formats: install-dev ## the same weights as a faster-whisper folder, an OpenAI .pt and a Hugging Face folder give the same text
	$(BIN)/python -m benchmarks.formats

postprocess: install-dev ## attempts to talk a small language model into something, on vLLM's own chat server (half an hour)
	$(BIN)/python -m benchmarks.postprocess

feed: install-dev ## what everything but the model costs: decoding, voice activity, /health, memory (a quarter of an hour)
	$(BIN)/python -m benchmarks.feed

precision: install-dev ## what fp8 weights and cache cost in accuracy, on this machine's device; PRECISION_ARGS=--model=NAME
	$(BIN)/python -m benchmarks.precision $(PRECISION_ARGS)

profile: install-dev ## where a request's processor time goes, stage by stage, with the fake engine and the model
	$(BIN)/python -m benchmarks.profile --engine fake
	$(BIN)/python -m benchmarks.profile --engine vllm

gpu: install-dev ## engine and HTTP windows/s of large-v3 and turbo with random weights; needs an NVIDIA GPU; GPU_ARGS=--list
	$(BIN)/python -m benchmarks.gpu $(GPU_ARGS)

kernel: install-dev ## the GPU's attention kernel in Triton's interpreter, without a GPU
	benchmarks/install_peers.sh benchmarks/gpu/triton.txt build/triton
	TRITON_INTERPRET=1 PYTHONPATH=build/triton $(BIN)/python -m pytest -q tests/test_engine_inside_cross_decode.py

load: install-dev ## a minute of many different clients against a server of its own; LOAD_ARGS=--shape=soak --seconds=3600
	$(BIN)/python -m loadtests $(LOAD_ARGS)

demo-model: install-dev ## train the bundled model again, from synthetic speech (hours), and put it into endpoint/demo
	@$(SPEAKER)
	$(BIN)/python -m demo_model.train
	$(BIN)/python -m demo_model.evaluate --bundle

demo-model-eval: install-dev ## measure the bundled model's word error rate
	$(BIN)/python -m demo_model.evaluate

lock: install-dev ## write requirements/*.txt again from pyproject.toml; LOCK_ARGS=--upgrade takes newer versions
	$(BIN)/python -m pip install --quiet --upgrade "pip>=26"
	$(BIN)/python requirements/lock.py $(LOCK_ARGS)

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
