"""The house's own rules: who may import whom, what is pure, how long things are, and what is tested where.

A module that is new has to be given its place in the tables here.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "endpoint"
MODULES = {path.relative_to(HOUSE).with_suffix("").as_posix(): path for path in sorted(HOUSE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

# Which parts may import which; a part is a module of the first level, or a package.
MAY_IMPORT = {
    "options": set(),
    "types": {"options"},
    "errors": set(),
    "languages": set(),
    "tasks": set(),
    "net": set(),
    "log": set(),
    "memfile": set(),
    "outgoing": {"errors", "memfile"},
    "local": {"errors", "net"},
    "bench": {"errors", "options", "types"},
    "config": {"errors", "languages", "options", "types"},
    "text": {"languages", "options", "types"},
    "audio": {"config", "errors", "memfile", "options", "types"},
    "weights": {"errors", "types"},
    "engine": {"config", "errors", "languages", "tasks", "text", "options", "types", "weights"},
    "multilingual": {"audio", "tasks", "options", "types"},
    "fallback": {"options", "tasks", "text", "types"},
    "repair": {"audio", "fallback", "options", "tasks", "text", "types"},
    "fanout": {"repair", "tasks", "text", "options", "types"},
    "pipeline": {"audio", "errors", "fanout", "memfile", "multilingual", "repair", "tasks", "text", "options", "types"},
    "models": {"config", "errors", "pipeline"},
    "fields": {"errors", "options", "types"},
    "huggingface": {"errors", "fields", "languages", "options", "types"},
    "api": {
        "config",
        "errors",
        "fields",
        "huggingface",
        "languages",
        "memfile",
        "models",
        "outgoing",
        "pipeline",
        "tasks",
        "text",
        "options",
        "types",
    },
    "wiring": {"api", "audio", "config", "engine", "errors", "models", "pipeline", "options", "types"},
    "supervisor": {"config", "engine", "errors", "models", "wiring"},
    "commands": {
        "audio",
        "bench",
        "config",
        "engine",
        "errors",
        "languages",
        "local",
        "log",
        "models",
        "supervisor",
        "text",
        "options",
        "types",
        "weights",
        "wiring",
    },
    "demo": {"config", "errors", "local", "weights"},
    "__main__": {"commands", "errors"},
}

# Packages that few modules may import, and those modules.
KEPT_TO = {
    "vllm": {
        "engine/admission",
        "engine/blocks",
        "engine/groups",
        "engine/request",
        "engine/vllm",
        "engine/arguments",
        "engine/core",
        "engine/processor",
        "engine/processor_v2",
        "engine/scheduler",
        "engine/whisper",
    },
    "torch": {
        "engine/vllm",
        "engine/arguments",
        "engine/place",  # counts the GPUs
        "engine/processor",
        "engine/processor_v2",
        "engine/beams",
        "engine/blocks",
        "engine/choice",
        "engine/groups",
        "engine/rules",
        "engine/align",
        "engine/ahead",
        "engine/attention",
        "engine/logmel",
        "engine/scheduler",
        "engine/whisper",
        "weights/openai",
        "commands/doctor",  # says which device is here
    },
    "transformers": {"engine/logmel", "engine/whisper"},
    "tokenizers": {"engine/tokens", "weights/known"},
    "huggingface_hub": {"weights/hub"},
    # Media parsers run in the decoding processes; doctor asks the version, bench reads its user's own files.
    "av": {"audio/container", "audio/frames", "audio/worker", "commands/doctor", "bench/containers"},
    "psutil": {"bench/usage"},
    "soxr": {"audio/pcm"},
    "onnxruntime": {"audio/vad"},
    "fastapi": {name for name in MODULES if name.startswith("api/")} | {"wiring"},
    "starlette": {name for name in MODULES if name.startswith("api/")},
    "uvicorn": {"commands/serve"},
    "rich": {name for name in MODULES if name.startswith(("commands/", "demo/"))},
    "pydantic_settings": {"config"},
}

# Who reads or writes the environment, and why.
ENVIRONMENT = {
    "config": "the reader of settings",
    "engine/arguments": "vLLM is configured by variables of its own, read when it is imported",
    "engine/vllm": "OpenMP is, too, for the engine that it starts",
    "engine/place": "what the operator set for OpenMP and CUDA stays",
    "engine/core": "each engine's process sees its own GPU",
    "supervisor": "and each API process that of the first engine",
    "commands/serve": "the one engine of this process sees the GPU that was asked for",
    "weights/packages": "pip, which it runs, gets it with a temporary folder of its own",
    "audio/vad": "onnxruntime's telemetry is turned off by a variable, in the decoding process",
    "local": "hands its environment on to the server it starts",
}

PURE = {"types", "languages", "errors", "audio/window", "audio/spans", "engine/prompt"} | {
    name for name in MODULES if name.startswith("text/")
}
HARMLESS = {
    "__future__", "abc", "bisect", "collections", "dataclasses", "endpoint", "enum", "functools", "itertools", "json",
    "math", "numpy", "operator", "re", "statistics", "string", "typing", "unicodedata", "zlib",
}  # fmt: skip

MOST_LINES, MOST_FUNCTION_LINES = 350, 60
LONG_STILL = {"tests/test_audio_worker.py": 370}  # not to grow

# Modules that are tested under another name than their own, because they show themselves together.
TESTED_BY = {
    "__main__": "test_commands",
    "api/answer": "test_api_stream",
    "api/app": "test_api_system",
    "api/compat_schemas": "test_api_compat",
    "api/door": "test_api_transcriptions",
    "api/errors": "test_api_transcriptions",
    "api/examples": "test_api_openapi",
    "api/forms": "test_api_transcriptions",
    "api/limits": "test_api_transcriptions",
    "api/log": "test_api_system",
    "api/receive": "test_api_upload",
    "api/routes": "test_api_transcriptions",
    "api/schemas": "test_api_transcriptions",
    "commands/doctor": "test_commands",
    "commands/serve": "test_commands",
    "commands/transcribe": "test_commands",
    "demo/__main__": "test_demo",
    "engine/arguments": "test_engine_vllm",
    "engine/core": "test_live_several",
    "fanout": "test_pipeline",
    "huggingface": "test_handler",
}
UNTESTED_STILL: set[str] = set()


def imports(name: str) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def inner(name: str) -> set[str]:
    """The house's modules that a module imports."""
    dotted = {f"endpoint.{other.replace('/', '.')}": other for other in MODULES if not other.endswith("__init__")}
    return {dotted[target] for target in imports(name) if target in dotted}


def part(name: str) -> str:
    return name.partition("/")[0]


# ---- imports --------------------------------------------------------------------------------------


def test_every_part_has_its_place() -> None:
    assert {part(name) for name in MODULES} - {"__init__"} == set(MAY_IMPORT)


def test_parts_import_only_what_they_may() -> None:
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        for other in inner(name)
        if part(other) != part(name) and part(other) not in MAY_IMPORT[part(name)]
    ]
    assert wrong == []


def test_there_is_no_cycle() -> None:
    TopologicalSorter({name: inner(name) for name in MODULES}).prepare()  # raises CycleError that names one
    TopologicalSorter(MAY_IMPORT).prepare()


@pytest.mark.parametrize("package", sorted(KEPT_TO))
def test_packages_stay_where_they_belong(package: str) -> None:
    users = {name for name in MODULES if any(target.partition(".")[0] == package for target in imports(name))}
    assert users <= KEPT_TO[package]
    assert users, "no longer used: strike it from the table"


@pytest.mark.parametrize("name", sorted(PURE))
def test_what_is_pure_does_nothing_else(name: str) -> None:
    assert {target.partition(".")[0] for target in imports(name)} <= HARMLESS
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "exec", "eval"}
        assert not isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith)
        if isinstance(node, ast.AsyncFunctionDef):  # only as the seam's shape: a docstring and `...`
            assert name == "types"
            assert all(isinstance(line, ast.Expr) for line in node.body)


def touches_environment(tree: ast.Module) -> bool:
    names = {"environ", "environb", "getenv", "putenv", "unsetenv"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names) or (isinstance(node, ast.alias) and node.name in names)
        for node in ast.walk(tree)
    )


def test_only_settings_read_the_environment() -> None:
    users = {name for name in MODULES if touches_environment(TREES[name])}
    assert users | {"config"} == set(ENVIRONMENT)  # config reads it through pydantic-settings


LIGHT = "import endpoint"
FAKE_SERVER = """
import endpoint.__main__, endpoint.commands.serve
from endpoint.config import Settings
from endpoint.wiring import build_app
build_app(Settings(engine="fake"))
"""
HANDLER = "import handler"


@pytest.mark.parametrize("program", [LIGHT, FAKE_SERVER, HANDLER], ids=["endpoint", "fake server", "handler"])
def test_no_model_code_is_loaded_for_nothing(program: str) -> None:
    """And no audio parser: those are loaded in the decoding processes."""
    heavy = ("vllm", "torch", "transformers", "tokenizers", "numba", "onnxruntime", "librosa")
    program += f"\nimport sys\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# ---- size, names, tests ---------------------------------------------------------------------------


def sources() -> list[Path]:
    """Every Python file of the repository."""
    hidden = {".venv", "build", "dist", "__pycache__"}
    found = [path for path in ROOT.rglob("*.py") if not hidden & set(path.relative_to(ROOT).parts)]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


def test_files_and_functions_are_short() -> None:
    long = []
    for path in sources():
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        if (lines := text.count("\n")) > LONG_STILL.get(name, MOST_LINES):
            long.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if (lines := node.end_lineno - node.lineno + 1) > MOST_FUNCTION_LINES:
                    long.append(f"{name}: {node.name} has {lines} lines")
    assert long == []


def test_constants_are_named_where_the_nouns_are() -> None:
    """Rate, full scale and window are derived once, in types.py."""
    bare = {16_000, 32_768, 480_000}
    wrong = [
        f"{name}:{node.lineno}: {node.value}"
        for name, tree in TREES.items()
        if name != "types"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value in bare
    ]
    assert wrong == []


def test_only_commands_print() -> None:
    def prints(tree: ast.Module) -> bool:
        return any(isinstance(node, ast.Name) and node.id == "print" for node in ast.walk(tree))

    users = {name for name, tree in TREES.items() if prints(tree)}
    assert [name for name in users if part(name) not in ("__main__", "commands", "demo")] == []


def test_every_module_has_its_tests() -> None:
    tests = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    wanted = {name: TESTED_BY.get(name, f"test_{name.replace('/', '_')}") for name in MODULES}
    assert {
        name for name, test in wanted.items() if test not in tests and not name.endswith("__init__")
    } <= UNTESTED_STILL
    assert set(TESTED_BY) | UNTESTED_STILL <= set(MODULES)
