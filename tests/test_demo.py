"""The first thing a newcomer runs, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from endpoint.config import DEMO_MODEL

SAID = json.loads((DEMO_MODEL.parent / "samples" / "said.json").read_text(encoding="utf-8"))
# An openai/whisper-* repository has these; no code may need more.
FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "README.md",
}


def run_demo(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "endpoint.demo"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )


@pytest.mark.model
@pytest.mark.timeout(330)
def test_the_demo_prints_what_was_said() -> None:
    done = run_demo(CPU_KV_CACHE_GIB="1")
    assert done.returncode == 0, done.stdout + done.stderr
    for name, said in SAID.items():
        assert name in done.stdout
        assert done.stdout.count(said["text"]) == 2  # said, and heard
    assert "the server has stopped" in done.stdout


def test_a_server_that_does_not_start_is_explained() -> None:
    done = run_demo(MODEL_ID="/nowhere/at/all")
    assert done.returncode == 1
    assert "there is no folder /nowhere/at/all" in done.stderr
    assert "endpoint doctor" in done.stderr


def test_the_bundled_model_is_a_whisper_repository_of_at_most_8_mb() -> None:
    present = {path.name: path.stat().st_size for path in DEMO_MODEL.iterdir()}
    assert set(present) >= FILES
    assert sum(present.values()) <= 8_000_000
    generation = json.loads((DEMO_MODEL / "generation_config.json").read_text())
    assert generation["alignment_heads"]
    assert len(generation["lang_to_id"]) == 100
    assert set(generation["task_to_id"]) == {"transcribe", "translate"}
    assert generation["suppress_tokens"]
    assert generation["begin_suppress_tokens"]
