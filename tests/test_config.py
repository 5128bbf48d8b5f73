"""Settings: the environment, then flags, then overrides; frozen; wrong ones named; secrets masked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from endpoint import config
from endpoint.config import TEST_MODEL, Settings, load_settings
from endpoint.errors import ConfigError
from endpoint.types import WINDOW_SECONDS

SECRET = "hf_" + "canary" * 6


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the shell that runs the tests."""
    for name, field in Settings.model_fields.items():
        for known in getattr(field.validation_alias, "choices", (name,)):
            monkeypatch.delenv(known.upper(), raising=False)


def test_defaults_serve_the_demo_model() -> None:
    settings = load_settings()
    assert settings.model_path == str(TEST_MODEL)
    assert settings.is_test_model
    assert (settings.model_name, settings.port) == ("whisper-demo", 8000)


def test_flags_beat_overrides_and_overrides_beat_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1001")
    monkeypatch.setenv("max_num_seqs", "7")
    assert load_settings().port == 1001
    assert load_settings().max_num_seqs == 7
    assert load_settings(["--port", "1002"]).port == 1002
    assert load_settings(port=1003).port == 1003
    assert load_settings(["--port", "1002"], port=1003).port == 1002
    assert load_settings(port=None).port == 1001


@pytest.mark.parametrize("flags", [["--model", "a/b"], ["--model-id", "a/b"], ["--model=a/b"]])
def test_a_model_has_two_names(flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(flags).model_path == "a/b"
    monkeypatch.setenv("MODEL", "c/d")
    assert load_settings().model_name == "c/d"


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_ID", "")
    monkeypatch.setenv("PORT", "")
    assert load_settings().port == 8000
    assert load_settings().is_test_model


def test_engine_args_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_ARGS", '{"seed": 3}')
    assert load_settings().engine_args == {"seed": 3}


@pytest.mark.parametrize("text", ["seed=3", "{", "[1]", "3"])
def test_engine_args_that_are_no_json_object_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_ARGS", text)
    with pytest.raises(ConfigError, match=r"(?i)engine_args"):
        load_settings()


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PORT", "many"), ("ENGINE", "magic"), ("GPU_MEMORY_UTILIZATION", "2")):
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert all(name in caught.value.message for name in ("PORT", "ENGINE", "GPU_MEMORY_UTILIZATION"))


def test_an_unknown_flag_ends_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_settings(["--prot", "80"], prog="endpoint serve")
    assert ended.value.code == 2
    assert "usage: endpoint serve" in capsys.readouterr().err


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_settings(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert [name for name in Settings.model_fields if f"--{name.replace('_', '-')}" not in shown] == []


@pytest.mark.parametrize("name", ["hf_token", "api_key", "key_pepper"])
def test_settings_are_frozen_and_keep_secrets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.upper(), SECRET)
    settings = load_settings()
    assert getattr(settings, name).get_secret_value() == SECRET
    shown = f"{settings!r} {settings} {settings.model_dump_json()} {settings.model_dump(mode='json')}"
    assert SECRET not in shown
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_passwords_in_addresses_are_masked() -> None:
    addresses = {"jobs_url": f"redis://user:{SECRET}@host:1/0", "keys_url": f"rediss://:{SECRET}@host:1/0"}
    shown = load_settings(**addresses, key_pepper=SECRET * 4).shown()
    assert SECRET not in str(shown)
    assert shown["jobs_url"] == "redis://**********@host:1/0"
    assert shown["host"] == "127.0.0.1"


@pytest.mark.parametrize("text", ["small", "{", "[1]", '{"a": 1}'])
def test_aliases_that_are_no_json_object_of_names_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_ALIASES", text)
    with pytest.raises(ConfigError, match=r"(?i)model_aliases"):
        load_settings()


def test_settings_of_older_services_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    older = {
        "WHISPER_MODELS": "small,big=openai/whisper-large-v3",
        "WHISPER_LANGUAGE": "German",
        "WHISPER_ALIASES": '{"whisper-1": "big"}',
        "WHISPER_VAD_FILTER": "false",
        "WHISPER_BEAM_SIZE": "1",
        "ALLOWED_MODELS": "small,whisper-1",
    }
    for name, value in older.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert [one.model_name for one in settings.each()] == ["small", "big"]
    assert (settings.default_language, settings.vad, settings.beam_size) == ("de", None, 1)
    assert (settings.model_aliases, settings.allowed_models) == ({"whisper-1": "big"}, "small,whisper-1")
    monkeypatch.delenv("WHISPER_MODELS")
    monkeypatch.setenv("WHISPER_MODEL", "base")
    assert (load_settings().model_path, load_settings().model_name) == ("openai/whisper-base", "base")


@pytest.mark.parametrize("name", ["BEAM_SIZE", "WHISPER_BEAM_SIZE"])
def test_beams_by_either_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "5")
    assert load_settings().beam_size == 5
    monkeypatch.setenv(name, "11")
    with pytest.raises(ConfigError, match="BEAM_SIZE"):
        load_settings()


def test_adapters_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_MODULES", "mine=/opt/adapter")
    with pytest.raises(ConfigError, match=r"LORA_MODULES: .* merge_and_unload.* MODELS"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "code"), [("de", "de"), ("German", "de"), ("pt-BR", "pt"), ("auto", None), ("", None)]
)
def test_the_language_of_requests_that_name_none(given: str, code: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_LANGUAGE", given)
    assert load_settings().default_language == code


def test_the_shells_own_language_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """LANGUAGE is gettext's, and set on many systems."""
    monkeypatch.setenv("LANGUAGE", "en_GB:en")
    assert load_settings().default_language is None


def test_a_language_whisper_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_LANGUAGE", "klingon")
    with pytest.raises(ConfigError, match="LANGUAGE: no language of Whisper"):
        load_settings()


@pytest.mark.parametrize("key", [" ", "two words", "schlüssel", "tab\t", "line\n"])
def test_a_key_that_no_header_can_bring_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", key)
    with pytest.raises(ConfigError, match="API_KEY: a key is") as refused:
        load_settings()
    assert key.strip() == "" or key.strip() not in refused.value.message


def test_several_models_are_settings_of_one_each() -> None:
    settings = load_settings(models="a=demo, b=/opt/model,openai/whisper-tiny,turbo,c=", max_num_seqs=9)
    each = settings.each()
    assert [one.model_name for one in each] == ["a", "b", "openai/whisper-tiny", "turbo", "c"]
    turbo = "openai/whisper-large-v3-turbo"
    assert [one.model_path for one in each] == [
        str(TEST_MODEL),
        "/opt/model",
        "openai/whisper-tiny",
        turbo,
        str(TEST_MODEL),
    ]
    assert [one.is_test_model for one in each] == [True, False, False, False, True]
    assert {one.max_num_seqs for one in each} == {9}
    assert {one.each() == (one,) for one in each} == {True}


def test_a_mounted_model_comes_before_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "MOUNTED_MODEL", tmp_path)
    settings = load_settings()
    assert settings.model_path == str(tmp_path)
    assert not settings.is_test_model
    assert load_settings(model_id="a/b").model_path == "a/b"


def test_names_that_clients_see(tmp_path: Path) -> None:
    assert load_settings(model_id="openai/whisper-tiny").model_name == "openai/whisper-tiny"
    assert load_settings(model_id=str(tmp_path)).model_name == tmp_path.name
    assert load_settings(model_id="/models/large-v3.pt").model_name == "large-v3"
    assert load_settings(model_id="a/b", served_model_name="mine").model_name == "mine"
    assert load_settings(model_id="demo").model_name == "whisper-demo"
    assert load_settings(engine="fake").model_name == "fake"


def test_windows_are_as_long_as_the_model_is_good_for() -> None:
    assert load_settings(model_id="a/b").window_seconds == WINDOW_SECONDS
    assert load_settings().window_seconds == config.TEST_MODEL_WINDOW_SECONDS
    assert load_settings(max_window_seconds=12).window_seconds == 12


def test_decoding_processes() -> None:
    assert load_settings(decode_workers=3).decode_processes == 3
    assert 1 <= load_settings().decode_processes <= 16


@pytest.mark.parametrize(
    ("cores", "engines", "processes"),
    [(1, 1, 1), (8, 8, 1), (15, 1, 1), (16, 1, 2), (64, 1, 2), (64, 8, 8), (16, 8, 2)],
)
def test_an_api_process_for_every_8_cores(
    cores: int, engines: int, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert load_settings().front_processes(engines) == processes
    assert load_settings(api_processes=5).front_processes(engines) == 5


def test_gpus_are_all_or_different_indices() -> None:
    assert [load_settings(gpus=given).gpus for given in ("", " all", "0", "2, 0")] == ["", "all", "0", "2,0"]
    for wrong in ("some", "0,0", "-1", "0;1"):
        with pytest.raises(ConfigError, match="GPUS: say `all`"):
            load_settings(gpus=wrong)


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
