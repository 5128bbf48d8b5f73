"""The rules of the code base: what may import what, what is pure, and what is tested where.

A new part of the code has to be added to the tables here.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "endpoint"
MODULES = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

WIRING = {  # joins the others
    "access", "api", "audio", "config", "engine", "errors", "core", "gateway",
    "jobs", "models", "observe", "options", "postprocess", "settings",
    "speakers", "types", "weights",
}  # fmt: skip
JOBS = {
    "access", "admission", "call", "caller", "codec", "config", "core", "errors", "memfile",
    "models", "net", "observe", "options", "outgoing", "settings", "stores", "tasks", "text", "types",
}  # fmt: skip
GATEWAY = {
    "admission", "call", "caller", "codec", "config", "core", "errors", "memfile", "models", "observe", "options",
    "settings", "types",
}  # fmt: skip
CORE = {
    "admission", "audio", "call", "codec", "errors", "memfile", "options", "speakers", "tasks", "text", "types",
    "voices",
}  # fmt: skip
POSTPROCESS = {
    "call", "config", "core", "languages", "memfile", "observe", "options", "tasks", "text", "types",
}  # fmt: skip
BATCH = {  # runs all of it on other machines
    "audio", "bench", "call", "codec", "config", "core", "engine", "errors", "gateway",
    "languages", "memfile", "observe", "options", "stores", "text", "types", "voices", "weights", "wiring",
}  # fmt: skip
COMMANDS = {
    "access", "audio", "batch", "bench", "call", "caller", "capacity", "client", "client_values", "config", "engine",
    "errors", "fields", "jobs", "languages", "live", "local", "managed", "models", "observe", "options", "settings",
    "supervisor", "text", "types", "weights", "wiring",
}  # fmt: skip

# Which parts may import which; a part is a module of the first level, or a package.
MAY_IMPORT = {
    "options": set(),
    "types": {"options", "voices"},
    "voices": set(),
    "errors": set(),
    "languages": set(),
    "tasks": set(),
    "codec": {"errors", "options", "types"},
    "admission": {"errors"},
    "caller": set(),
    "call": {"admission", "caller", "errors"},
    "net": set(),
    "observe": {"admission", "call", "caller", "config", "core", "errors", "memfile", "options", "types"},
    "memfile": set(),
    "outgoing": {"errors", "memfile"},
    "stores": {"errors"},
    "access": {"call", "caller", "codec", "config", "core", "errors", "memfile", "options", "stores", "types"},
    "local": {"config", "errors", "net"},
    "bench": {"errors", "live", "options", "types"},
    "capacity": {"bench", "errors", "types"},
    "managed": {"errors"},
    "settings": {"fields", "languages", "options", "types"},
    "config": {"errors", "options", "settings", "types"},
    "text": {"languages", "options", "types", "voices"},
    "audio": {"config", "errors", "memfile", "options", "types"},
    "weights": {"config", "errors", "types"},
    "speakers": {"errors", "memfile", "types"},
    "engine": {"config", "errors", "languages", "observe", "tasks", "options", "types", "weights"},
    "core": CORE,
    "live": {"audio", "call", "config", "core", "errors", "languages", "memfile", "models", "options", "text", "types"},
    "models": {"admission", "config", "core", "errors", "settings", "types"},
    "fields": {"errors", "options", "text", "types"},
    "client_values": set(),
    "client": {"client_values", "errors"},
    "jobs": JOBS,
    "gateway": GATEWAY,
    "postprocess": POSTPROCESS,
    "batch": BATCH,
    "serving": {"admission", "config", "errors", "observe", "wiring"},
    "huggingface": {"errors", "fields", "languages", "options", "types"},
    "api": {
        "access",
        "admission",
        "call",
        "caller",
        "codec",
        "config",
        "errors",
        "fields",
        "gateway",
        "huggingface",
        "jobs",
        "languages",
        "live",
        "memfile",
        "models",
        "observe",
        "outgoing",
        "core",
        "settings",
        "tasks",
        "text",
        "options",
        "types",
        "voices",
    },
    "wiring": WIRING,
    "supervisor": {"admission", "config", "engine", "errors", "models", "wiring"},
    "commands": COMMANDS,
    "demo": {"config", "errors", "local", "weights"},
    "__main__": {"commands", "errors"},
}

# Packages that few modules may import, and those modules.
KEPT_TO = {
    "vllm": {
        "engine/inside/cross_cache",
        "engine/inside/sound",
        "engine/inside/blocks",
        "engine/inside/encode_first",
        "engine/inside/groups",
        "engine/parameters",
        "engine/client",
        "engine/arguments",
        "engine/inside/process",
        "engine/inside/logits_processor",
        "engine/inside/logits_processor_v2",
        "engine/inside/scheduler",
        "engine/inside/scores",
        "engine/inside/model",
        "engine/stats",
    },
    "torch": {
        "engine/client",
        "engine/arguments",
        "engine/placement",  # counts the GPUs
        "engine/inside/logits_processor",
        "engine/inside/logits_processor_v2",
        "engine/inside/beams",
        "engine/inside/blocks",
        "engine/inside/choice",
        "engine/inside/groups",
        "engine/inside/rules",
        "engine/inside/cross_attention",
        "engine/inside/cross_cache",
        "engine/inside/cross_decode",
        "engine/inside/encode_ahead",
        "engine/inside/encode_first",
        "engine/inside/encode_on_stream",
        "engine/inside/sound",
        "engine/inside/encoder_attention",
        "engine/inside/log_mel",
        "engine/inside/scheduler",
        "engine/inside/scores",
        "engine/inside/model",
        "weights/openai",
        "weights/speaker_networks",
        "speakers/worker/pyannote",  # of whoever installs that extra
        "commands/doctor",  # says which device is here
    },
    "triton": {"engine/inside/cross_decode"},
    "transformers": {"engine/inside/log_mel", "engine/inside/model"},
    "tokenizers": {"engine/tokens", "weights/known"},
    "huggingface_hub": {"managed/huggingface", "weights/hub"},
    # Media parsers run in the decoding processes; doctor asks the version, bench reads its user's own files.
    "av": {
        "audio/worker/container",
        "audio/worker/frames",
        "audio/worker/process",
        "audio/worker/stream",
        "commands/doctor",
        "bench/containers",
    },
    "aiohttp": {"gateway/pool"},
    "psutil": {"bench/usage"},
    "soxr": {"audio/worker/pcm", "live/convert"},
    "sounddevice": {"commands/listen"},
    "onnxruntime": {"audio/vad", "speakers/worker/models", "weights/quantized"},
    "onnx": {"weights/quantized"},
    "scipy": {"speakers/worker/cluster", "speakers/worker/diarize", "speakers/worker/mel"},
    "pyannote": {"speakers/worker/pyannote"},
    # Who counts what callers may ask.
    "limits": {"access/counters", "access/counters_redis", "access/counters_sqlite"},
    "fastapi": {name for name in MODULES if name.startswith("api/")} | {"wiring"},
    "starlette": {name for name in MODULES if name.startswith("api/")},
    "uvicorn": {"commands/serve", "observe/port", "api/protocol"},
    "ray": {"batch/flow", "serving"},
    "pyarrow": {name for name in MODULES if name.startswith("batch/")},
    "rich": {name for name in MODULES if name.startswith(("commands/", "demo/"))},
    "pydantic_settings": {"config"},
    "prometheus_client": {name for name in MODULES if name.startswith("observe/")},
    "opentelemetry": {"observe/tracing"},
    "pynvml": {"observe/gpu"},
    "jiwer": {"observe/evaluation"},
    "whisper_normalizer": {"observe/evaluation"},
    "budoux": {"text/phrases"},
    "regex": {
        "postprocess/names",
        "postprocess/plain",
        "text/fillers",
        "text/graphemes",
        "text/numerals",
        "text/punctuation",
        "text/units",
        "text/wording",
    },
    "openai": {"commands/transcribe", "demo/__main__", "postprocess/model"},
    "text_to_num": {"text/numerals"},
}

# Who touches the environment, and why.
ENVIRONMENT = {
    "config": "the reader of settings, and the only one that sets what vLLM, OpenMP and CUDA read",
    "audio/vad": "onnxruntime's telemetry is turned off by a variable, once a process",
}

PURE = {
    "types", "voices", "languages", "errors", "audio/echo", "audio/window", "audio/spans", "engine/prompt",
    "live/agreement", "live/buffer", "live/plain", "live/session", "live/text",
} | {name for name in MODULES if name.startswith("text/")}  # fmt: skip
HARMLESS = {
    "__future__", "abc", "base64", "bisect", "budoux", "collections", "dataclasses", "endpoint", "enum", "functools",
    "itertools", "json", "math", "numpy", "operator", "re", "regex", "statistics", "string", "text_to_num", "typing",
    "unicodedata", "zlib",
}  # fmt: skip


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
    """The modules of the package that a module imports."""
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


def test_rooms_follow_processes() -> None:
    """A decoding process loads nothing of the server; the server shares only the protocol with it. What vLLM loads into
    its process is known to the engine's client alone.
    """
    worker = {name: inner(name) for name in MODULES if name.startswith("audio/worker/")}
    shared = {"audio/vad", "errors", "options", "types"}
    assert {other for found in worker.values() for other in found} <= worker.keys() | shared
    outside = {other for name in MODULES if name not in worker for other in inner(name)}
    assert outside & worker.keys() <= {"audio/worker/protocol", "audio/worker/formats"}
    speakers = {name: inner(name) for name in MODULES if name.startswith("speakers/worker/")}
    assert {other for found in speakers.values() for other in found} <= speakers.keys() | {"speakers/turns", "types"}
    outside = {other for name in MODULES if name not in speakers for other in inner(name)}
    assert outside & speakers.keys() <= {"speakers/worker/protocol"}
    users = {name for name in MODULES if any(other.startswith("engine/inside/") for other in inner(name))}
    assert {part(name) for name in users} == {"engine", "supervisor"}  # which starts that process


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
