#!/usr/bin/env bash
# Installs what a benchmark compares with beside the environment and without dependencies.
#   benchmarks/install_peers.sh [LIST FOLDER], by default those of `make quality` into build/peers
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${VENV:-.venv}/bin/python" -m pip install --quiet --target "${2:-build/peers}" \
    --upgrade --no-deps -r "${1:-benchmarks/peers.txt}"
