#!/usr/bin/env bash
# Installs the endpoint, with vLLM for this machine, from the locked lists of requirements/.
#
#   deploy/install.sh auto|cpu|gpu|gateway|bill [dev] [packages]
#
#   auto      gpu where nvidia-smi shows a GPU of compute capability 8.0 or better, else cpu
#   gateway   without vLLM and torch: for `endpoint gateway`, and `endpoint worker` with ENGINES
#   bill      nothing but what writes a bill of materials (cyclonedx-py)
#   dev       also what tests, linting and load tests need
#   packages  everything but the endpoint itself (a container caches this layer)
#
#   VENV         where to install; default .venv, made when missing
#   PYTHON       the interpreter to make it from; default the first of python3, python3.13, 3.12 and 3.11 that fits
#   TORCH_INDEX  the index that has torch's CPU build, when the default registry has none: PyTorch's own CPU index
#
# Steps already done for the same lists are skipped; a step that was interrupted is repeated.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}
build=${1:-auto}
shift || true
with=" $* "

fail() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed, and ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1 || true)." \
        "Install one, or name it: PYTHON=/path/to/python3.12"
}

detect() {
    local capability
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -n | head -n 1) || true
    if [[ $capability =~ ^[0-9]+\.[0-9]+$ && ${capability%.*} -ge 8 ]]; then echo gpu; else echo cpu; fi
}

make_venv() {
    local python
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
    echo "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
    mkdir -p "$stamps"
    echo "$build" >"$stamps/build"
}

pip_install() {
    local log=$venv/install.log
    if ! "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --retries 2 --only-binary=:all: \
        --progress-bar off "$@" >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        grep -qE 'Retrying|ConnectionError|Temporary failure|timed out' "$log" &&
            fail "The package registry did not answer. Check the network and pip's settings (pip config list), then repeat."
        grep -q 'No space left' "$log" && fail "The disk is full: vLLM needs 3 GB free for a CPU, 12 GB for a GPU."
        fail "pip could not install this; its last lines are above, all of them in $log."
    fi
}

# A CPU build is named +cpu; a registry without one has the CUDA build under the plain name.
install_torch() {
    local torch
    torch=$(grep '^torch==' requirements/torch.txt)
    if [[ -n ${TORCH_INDEX:-} ]]; then
        pip_install --no-deps --index-url "$TORCH_INDEX" "$torch"
    elif ! (pip_install --no-deps "$torch+cpu") 2>/dev/null; then
        echo "  The registry has no CPU build: taking the CUDA build, several GB. TORCH_INDEX can name PyTorch's CPU index."
        pip_install "$torch"
    fi
}

# Tests of jobs in Redis run a server of their own, and are skipped without one. RUNLEVEL: Debian does not start it.
install_redis() {
    command -v redis-server >/dev/null || command -v valkey-server >/dev/null && return
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 0
    echo "Installing redis-server"
    local apt=(env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 120 apt-get -q)
    "${apt[@]}" install -y --no-install-recommends redis-server >/dev/null 2>&1 ||
        { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends redis-server; } >/dev/null 2>&1 ||
        echo "  could not: the tests that need it are skipped"
}

install_project() { pip_install --no-deps --no-build-isolation --editable .; }

# step NAME "WHAT" COMMAND ARGUMENTS...: runs it unless it was done with the same files among its arguments
step() {
    local name=$1 what=$2 key began=$SECONDS argument
    shift 2
    key=$(for argument in "$@"; do if [[ -f $argument ]]; then cat "$argument"; else echo "$argument"; fi; done | sha256sum)
    [[ $(cat "$stamps/$name" 2>/dev/null) == "$key" ]] && return
    rm -f "$stamps/$name"
    echo "Installing $what"
    "$@"
    echo "$key" >"$stamps/$name"
    echo "  done in $((SECONDS - began)) s"
}

[[ $build == auto ]] && build=$(detect)
[[ $build =~ ^(cpu|gpu|gateway|bill)$ ]] || fail "usage: deploy/install.sh auto|cpu|gpu|gateway|bill [dev] [packages]"

stamps=$venv/.installed
if ! fits "$venv/bin/python" || [[ $(cat "$stamps/build" 2>/dev/null) != "$build" ]]; then
    make_venv # two builds of vLLM own the same files: never one over the other
fi

if [[ $build == bill ]]; then
    step bill "what writes bills of materials" pip_install --no-deps -r requirements/bill.txt
    exit
fi
size=$([[ $build == cpu ]] && echo "0.5 GB" || echo "5 GB")
step base "the web server and audio libraries" pip_install --no-deps -r requirements/base.txt -r requirements/build.txt
if [[ $build != gateway ]]; then
    step engine "vLLM for a ${build^^} ($size to fetch, some minutes)" pip_install --no-deps -r "requirements/$build.txt"
fi
[[ $build == cpu ]] && step torch "torch for a CPU" install_torch requirements/torch.txt
if [[ $with == *" dev "* ]]; then
    step dev "tests and linters" pip_install --no-deps -r requirements/dev.txt
    install_redis
fi
if [[ $with != *" packages "* ]]; then
    step project "the endpoint" install_project pyproject.toml
fi
