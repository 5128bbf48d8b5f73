"""Every module that a make target runs can be imported, and so has no name that was removed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="the base build has no engine")

MAKEFILE = (Path(__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
NEEDS = {"benchmarks.human": "num2words", "benchmarks.compare": "num2words"}  # installed by the target itself
MODULES = sorted(set(re.findall(r"python -m ([a-z_.]+)", MAKEFILE)) - {"pip", "pytest"})


@pytest.mark.parametrize("name", MODULES)
def test_it_can_be_imported(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    if module.__spec__ is not None and module.__spec__.submodule_search_locations:
        importlib.import_module(f"{name}.__main__")


def test_every_target_is_described() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
    assert targets == set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, flags=re.MULTILINE))
