"""How long files and functions are, where constants stand, who prints, and that every module has its tests."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.test_architecture import MODULES, ROOT, TREES, part

MOST_LINES, MOST_FUNCTION_LINES = 350, 60
LONG_STILL = {"tests/test_audio_worker_process.py": 370}  # not to grow

# Modules that are tested under another name than their own, because they show themselves together.
TESTED_BY = {
    "__main__": "test_commands",
    "api/respond": "test_api_stream",
    "api/app": "test_api_system",
    "batch/flow": "test_batch_run",
    "batch/table": "test_batch_run",
    "commands/batch": "test_batch_run",
    "api/compat_schemas": "test_api_compat",
    "api/state": "test_api_transcriptions",
    "api/errors": "test_api_transcriptions",
    "api/examples": "test_api_openapi",
    "api/forms": "test_api_transcriptions",
    "api/connection": "test_api_transcriptions",
    "api/job_forms": "test_api_jobs",
    "api/job_schemas": "test_api_jobs",
    "client_values": "test_client",
    "api/log": "test_api_system",
    "api/receive": "test_api_upload",
    "api/routes": "test_api_transcriptions",
    "api/schemas": "test_api_transcriptions",
    "commands/doctor": "test_commands",
    "commands/serve": "test_commands",
    "commands/transcribe": "test_commands",
    "commands/evaluate": "test_observe_evaluation",
    "observe/port": "test_observe_exposition",
    "audio/worker/__main__": "test_audio_worker_process",
    "audio/worker/protocol": "test_audio_worker_process",
    "demo/__main__": "test_demo",
    "engine/arguments": "test_engine_client",
    "engine/inside/process": "test_live_several",
    "access/limits_wiring": "test_api_limits",
    "access/usage_redis": "test_access_usage",
    "access/usage_report": "test_api_usage",
    "access/usage_sqlite": "test_access_usage",
    "huggingface": "test_handler",
    "api/metrics": "test_observe_exposition",
    "settings/observe": "test_config",
    "engine/stats": "test_engine_client",
    "jobs/progress": "test_jobs_runner",
    "access/keys_redis": "test_access_keys",
    "access/keys_sqlite": "test_access_keys",
    "access/view": "test_api_admin",
    "api/json_body": "test_api_admin",
    "settings/access": "test_config",
    "settings/base": "test_config",
    "settings/engine": "test_config",
    "settings/gateway": "test_gateway_fleet",
    "settings/http": "test_config",
    "settings/jobs": "test_config",
    "settings/limits": "test_config",
    "settings/live": "test_config",
    "settings/model": "test_config",
    "live/protocol": "test_live_realtime",
    "settings/words": "test_config",
    "settings/postprocess": "test_config",
    "postprocess/prompts": "test_postprocess_model",
    "fields/postprocess": "test_api_postprocess",
    "settings/speakers": "test_config",
    "core/recording": "test_core_pipeline",
    "voices": "test_text_speakers",
    "speakers/worker/__main__": "test_speakers_processes",
    "speakers/worker/protocol": "test_speakers_processes",
    "speakers/worker/frames": "test_speakers_worker_listen",
    "speakers/worker/models": "test_speakers_worker_diarize",
    "speakers/worker/locals": "test_speakers_worker_timeline",
    "weights/wheels": "test_weights_packages",
    "weights/quantized": "test_weights_speakers",
    "weights/speaker_networks": "test_weights_speakers",
    "text/layout": "test_text_subtitles",
    "text/lines": "test_text_subtitles",
    "text/units": "test_text_subtitles",
    "text/edits": "test_text_wording",
    "stores/s3": "test_jobs_s3",
    "stores/sqlite": "test_jobs_sqlite",
}
UNTESTED_STILL: set[str] = set()


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
