#!/usr/bin/env bash
# Installs what `make quality` compares with into build/peers, beside the environment and without dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${VENV:-.venv}/bin/python" -m pip install --quiet --target build/peers --upgrade --no-deps -r benchmarks/peers.txt
