"""A folder that is no Whisper is refused in a line that says what to do, before anything is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.config import DEMO_MODEL
from endpoint.errors import ConfigError
from endpoint.weights import find, hub, packages
from endpoint.weights.find import check_folder, find_checkpoint
from tests import foreign

WHISPER = '{"architectures": ["WhisperForConditionalGeneration"]}'


def folder(path: Path, config: str | None = WHISPER, *files: str) -> Path:
    if config is not None:
        (path / "config.json").write_text(config)
    for name in files:
        (path / name).touch()
    return path


def test_a_folder_is_used_where_it_is(tmp_path: Path) -> None:
    good = folder(tmp_path, WHISPER, "model.safetensors")
    assert find_checkpoint(str(good), tmp_path / "cache") == good
    assert find_checkpoint(str(DEMO_MODEL), tmp_path / "cache") == DEMO_MODEL


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


@pytest.mark.parametrize("name", ["/no/such/folder", "./no/such", "../no", "gone.pt"])
def test_a_path_is_never_looked_up_on_the_hub(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        find_checkpoint(name, tmp_path)


def test_a_hub_that_does_not_answer_is_a_wrong_setting(tmp_path: Path) -> None:
    """In a process of its own: the hub's client reads where the hub is when it is imported."""
    pytest.importorskip("huggingface_hub", reason="comes with the engine")
    program = (
        "from pathlib import Path\n"
        "from endpoint.weights.find import find_checkpoint\n"
        "from endpoint.errors import ConfigError\n"
        "try: find_checkpoint('somebody/whisper', Path('.'), 'canary-token')\n"
        "except ConfigError as error: print(error.message)"
    )
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert done.stdout.startswith("cannot get somebody/whisper from the hub")
    assert "canary-token" not in done.stdout + done.stderr


def test_foreign_formats_are_converted_once_into_the_cache(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the base build has no engine")
    cache = tmp_path / "cache"
    theirs = foreign.ctranslate2(tmp_path / "faster", "float16")
    first = find_checkpoint(str(theirs), cache)
    assert first.parent == cache
    assert find_checkpoint(str(theirs), cache) == first
    other = find_checkpoint(str(foreign.openai(tmp_path / "openai" / "tiny.pt")), cache)
    assert other.parent == cache
    assert other != first
    foreign.ctranslate2(tmp_path / "faster", "float32")
    assert find_checkpoint(str(theirs), cache) != first  # another content, another folder


def test_where_no_hub_answers_base_comes_from_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("safetensors", reason="the base build has no engine")

    def no_hub(name: str, token: str | None = None) -> Path:
        raise ConfigError("no hub")

    monkeypatch.setattr(hub, "download", no_hub)
    monkeypatch.setattr(packages, "fetch_base", lambda cache: foreign.ctranslate2(tmp_path / "base", "float16"))
    assert (find_checkpoint(find.BASE_NAMES[0], tmp_path / "cache") / "model.safetensors").exists()
    with pytest.raises(ConfigError, match="no hub"):
        find_checkpoint("openai/whisper-small", tmp_path / "cache")


def test_both_reasons_are_given_where_neither_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(reason: str):
        def call(*_: object) -> Path:
            raise ConfigError(reason)

        return call

    monkeypatch.setattr(hub, "download", fails("no hub"))
    monkeypatch.setattr(packages, "fetch_base", fails("no packages"))
    with pytest.raises(ConfigError, match="no hub; and no packages"):
        find_checkpoint(find.BASE_NAMES[0], tmp_path / "cache")
