"""vLLM still has what is used of it: tests.vllm_internals names each thing that is gone."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module

import pytest

from tests.test_architecture import TREES
from tests.vllm_internals import INTERNALS

pytest.importorskip("vllm", reason="the base build has no engine")

# vLLM's documented interface, and the interfaces it offers for extensions.
DOCUMENTED = {
    "vllm",
    "vllm.inputs",
    "vllm.outputs",
    "vllm.sampling_params",
    "vllm.multimodal.parse",
    "vllm.v1.core.sched.output",
    "vllm.v1.sample.logits_processor.interface",
    "vllm.v1.worker.gpu.sample.logits_processor.interface",
}


def imported() -> set[tuple[str, str]]:
    """(module, name) of every import of vLLM's."""
    return {
        (node.module, alias.name)
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "vllm"
        for alias in node.names
        if node.module is not None
    }


def is_there(module: str, name: str) -> bool:
    """Whether one of the alternatives `a | b` is there."""
    first, _, rest = name.partition(".")
    options = [f"{first}.{option.strip()}" if rest else option for option in (rest or name).split("|")]
    return any(_is_there(module, option) for option in options)


def _is_there(module: str, name: str) -> bool:
    found: object = import_module(module)
    path, _, attribute = name.partition(":")
    path, parameter = re.fullmatch(r"([\w.]+)(?:\((\w+)\))?", path).groups()  # type: ignore[union-attr]
    for part in path.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    if attribute:
        owner = getattr(import_module(module), name.partition(".")[0])
        sources = [inspect.getsource(kind) for kind in owner.__mro__ if kind.__module__.startswith("vllm")]
        return any(re.search(rf"\bself\.{attribute}\b\s*(?::[^=\n]+)?(?:=|,)", source) for source in sources)
    return parameter is None or parameter in inspect.signature(found).parameters  # type: ignore[arg-type]


@pytest.mark.parametrize("module", sorted(INTERNALS))
def test_vllm_has_what_is_used_of_it(module: str) -> None:
    assert [name for name in INTERNALS[module] if not is_there(module, name)] == []


def test_every_import_of_vllms_internals_is_in_the_table() -> None:
    listed = {
        (module, name.partition(".")[0].partition("(")[0]) for module, names in INTERNALS.items() for name in names
    }
    modules = {f"{module}.{name}" for module, name in imported()} & set(INTERNALS)  # `from vllm.v1.engine import utils`
    wrong = [
        f"{module}.{name}"
        for module, name in imported()
        if module not in DOCUMENTED and (module, name) not in listed and f"{module}.{name}" not in modules
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "name", ["Scheduler.nothing", "Scheduler.__init__:nothing", "Nothing", "Scheduler.schedule(no)"]
)
def test_what_is_gone_is_noticed(name: str) -> None:
    assert not is_there("vllm.v1.core.sched.scheduler", name)
