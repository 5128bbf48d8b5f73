"""A folder that is no Whisper is refused in a line that says what to do, before anything is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.config import DEMO_MODEL
from endpoint.engine.checkpoint import alignment_heads, check_folder, find_checkpoint
from endpoint.errors import ConfigError

WHISPER = '{"architectures": ["WhisperForConditionalGeneration"]}'


def folder(path: Path, config: str | None = WHISPER, *files: str) -> Path:
    if config is not None:
        (path / "config.json").write_text(config)
    for name in files:
        (path / name).touch()
    return path


def test_a_folder_is_used_where_it_is(tmp_path: Path) -> None:
    good = folder(tmp_path, WHISPER, "model.safetensors")
    assert find_checkpoint(str(good)) == good
    assert find_checkpoint(str(DEMO_MODEL)) == DEMO_MODEL


@pytest.mark.parametrize(
    ("config", "files", "said"),
    [
        (None, [], "no config.json"),
        ('{"architectures": ["LlamaForCausalLM"]}', ["model.safetensors"], "not a Whisper model.*LlamaForCausalLM"),
        ("{}", ["model.safetensors"], "not a Whisper model"),
        ('{"architectures": null}', ["model.safetensors"], "not a Whisper model"),
        (WHISPER, [], "no .safetensors"),
        (WHISPER, ["pytorch_model.bin", "model.pt"], "pickled weights are never loaded"),
        ('{"architectures": [', ["model.safetensors"], "config.json"),
        ("", ["model.safetensors"], "config.json"),
        ("[]", ["model.safetensors"], "config.json"),
        ("version https://git-lfs.github.com/spec/v1", ["model.safetensors"], "config.json"),
    ],
)
def test_what_is_no_whisper_is_refused(config: str | None, files: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        check_folder(folder(tmp_path, config, *files))
    assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize("name", ["/no/such/folder", "./no/such", "../no"])
def test_a_path_is_never_looked_up_on_the_hub(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        find_checkpoint(name)


def test_a_hub_that_does_not_answer_is_a_wrong_setting(tmp_path: Path) -> None:
    """In a process of its own: the hub's client reads where the hub is when it is imported."""
    pytest.importorskip("huggingface_hub", reason="comes with the engine")
    program = (
        "from endpoint.engine.checkpoint import find_checkpoint\n"
        "from endpoint.errors import ConfigError\n"
        "try: find_checkpoint('somebody/whisper', 'canary-token')\n"
        "except ConfigError as error: print(error.message)"
    )
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert done.stdout.startswith("cannot get somebody/whisper from the hub")
    assert "canary-token" not in done.stdout + done.stderr


def test_alignment_heads_are_the_models_or_the_deeper_half(tmp_path: Path) -> None:
    config = {"decoder_layers": 4, "decoder_attention_heads": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "generation_config.json").write_text(json.dumps({"alignment_heads": [[1, 0], [3, 1]]}))
    assert alignment_heads(tmp_path) == [(1, 0), (3, 1)]
    (tmp_path / "generation_config.json").write_text("{}")
    assert alignment_heads(tmp_path) == [(2, 0), (2, 1), (3, 0), (3, 1)]
