"""The command line, run as people run it: in processes of their own where output counts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from endpoint import __version__
from endpoint.__main__ import COMMANDS, main
from endpoint.commands import doctor
from endpoint.config import Settings
from endpoint.net import free_port
from tests.recordings import tone, wav
from tests.supervised import supervised

TWO_SECONDS = wav(tone(16_000, 2)[:, None], 16_000)
FAKE = {"ENGINE": "fake", "DECODE_WORKERS": "1", "VAD_FILTER": "false"}
CLEAN = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(TWO_SECONDS)
    return path


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "endpoint", *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=CLEAN | FAKE | environment
    )


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """`endpoint serve` on the fake engine; ended by SIGTERM, which must end it with 0."""
    port = free_port()
    command = [sys.executable, "-m", "endpoint", "serve", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=CLEAN | FAKE | {"LOG_LEVEL": "error"})
    base = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            try:
                if httpx.get(f"{base}/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield f"{base}/v1"
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


# ---- the command itself ---------------------------------------------------------------------------


def test_version_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, text in (("--version", __version__), ("--help", "commands:")):
        with pytest.raises(SystemExit) as ended:
            main([flag])
        assert ended.value.code == 0
        assert text in (shown := capsys.readouterr().out)
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["sevre"], ["--serve"]])
def test_what_is_no_command_is_refused_with_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: endpoint" in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_and_refuses_unknown_flags(
    command: str, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = [str(talk)] if command == "transcribe" else []
    for flag, code in (("--help", 0), ("--no-such-flag", 2)):
        with pytest.raises(SystemExit) as ended:
            main([command, *file, flag])
        assert ended.value.code == code
        shown = capsys.readouterr()
        assert f"usage: endpoint {command}" in shown.out + shown.err


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The message of a command that cannot be run: one line, status 2."""
    assert main(list(map(str, arguments))) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"endpoint {arguments[0]}: ")
    return line


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_wrong_settings_are_named_in_a_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "PORT" in fails(capsys, command, "--port", "many")
    assert "DEFAULT_MODEL: b is not served" in fails(capsys, command, "--models", "a=demo", "--default-model", "b")


# ---- transcribe -----------------------------------------------------------------------------------


def test_files_are_transcribed_here(talk: Path) -> None:
    done = run("transcribe", talk)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\w+ \w+\n", done.stdout)


def test_settings_are_flags_before_and_after_the_files(talk: Path) -> None:
    flags = ["--max-window-seconds", "5", "--model", "a/b", "--engine=fake"]
    for arguments in ([*flags, talk], [talk, *flags]):
        done = run("transcribe", *arguments, "--format", "srt", ENGINE="")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("1\n00:00:00,000 --> 00:00:02,000\n")


def test_wrong_files_do_not_stop_the_others(talk: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad[b].wav"
    bad.write_bytes(b"no audio at all")
    done = run("transcribe", bad, talk, "--output", tmp_path / "out", "--format", "json")
    assert done.returncode == 1
    assert "bad[b].wav:" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["talk.json"]
    assert json.loads((tmp_path / "out" / "talk.json").read_text())["text"]


def test_what_cannot_work_is_refused_before_the_model_loads(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "elsewhere" / "talk.mp3"
    other.parent.mkdir()
    other.write_bytes(b"?")
    assert "no such file: no.wav" in fails(capsys, "transcribe", talk, "no.wav")
    assert "talk.txt" in fails(capsys, "transcribe", talk, other, "--output", tmp_path)
    assert "cannot write" in fails(capsys, "transcribe", talk, "--output", other)
    assert "'klingon'" in fails(capsys, "transcribe", talk, "--language", "klingon")
    assert "'klingon'" in fails(capsys, "transcribe", talk, "--language", "klingon", "--server", "http://x/v1")


@pytest.mark.parametrize("task", ["transcribe", "translate"])
def test_files_are_transcribed_by_a_server(server: str, task: str, talk: Path) -> None:
    there = run("transcribe", talk, "--server", server, "--task", task, "--language", "German", "--format", "text")
    assert there.returncode == 0, there.stderr
    assert re.fullmatch(r"\w+ \w+\n", there.stdout)


def test_a_servers_refusal_and_silence_are_reported(server: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio at all")
    refused = run("transcribe", bad, "--server", server)
    assert refused.returncode == 1
    assert "Error code: 400" in refused.stderr
    silent = run("transcribe", bad, "--server", f"http://127.0.0.1:{free_port()}/v1")
    assert silent.returncode == 1
    assert "Traceback" not in refused.stderr + silent.stderr


def test_a_models_flags_are_not_for_a_server(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["transcribe", str(talk), "--server", "http://x/v1", "--dtype", "float32"])
    assert ended.value.code == 2
    assert "--dtype is for a local model" in capsys.readouterr().err


# ---- doctor ---------------------------------------------------------------------------------------


def findings(settings: Settings) -> dict[str, doctor.Finding]:
    return {found.what: found for found in (doctor._engine(settings), doctor._model(settings), doctor._codecs())}


def test_doctor_says_what_is_here() -> None:
    found = findings(Settings(engine="fake"))
    assert "fake" in found["engine"].found
    assert "the test model with its small vocabulary" in found["model"].found
    assert "mp3" in found["audio"].found
    assert [what for what, finding in found.items() if finding.advice] == []


def test_doctor_says_what_is_wrong_with_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("version https://git-lfs.example/spec/v1")
    assert "config.json" in findings(Settings(model_id=str(tmp_path)))["model"].advice
    assert "no such folder" in findings(Settings(model_id="/no/such/model"))["model"].advice
    assert findings(Settings(model_id="somebody/whisper"))["model"].advice == ""


def test_doctor_looks_at_every_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "_harmful", list)
    assert main(["doctor", "--engine", "fake", "--models", "tiny=demo,other=/no/such"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any("✓ model tiny" in line for line in lines)
    assert any("✗ model other" in line and "no such folder" in line for line in lines)


@pytest.mark.parametrize(("model", "status"), [("", 0), ("/no/such[/red]", 1)])
def test_doctors_status_says_whether_all_is_well(
    model: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_harmful", list)  # what this machine has installed is not what is tested
    monkeypatch.setattr(doctor, "_memory", lambda: doctor.Finding("memory", "enough"))
    assert main(["doctor", "--engine", "fake", *(["--model", model] if model else [])]) == status
    shown = capsys.readouterr().out
    assert ("✗" in shown) == bool(status)
    assert model[:8] in shown


def test_without_a_key_only_this_machine_is_served(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another address the server does not start, unless that is allowed, and then it is in the log."""
    from endpoint.commands import serve

    for name in ("API_KEY", "KEYS_URL", "ALLOW_ANONYMOUS", "HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(serve, "serve_with", lambda *_: 0)
    assert main(["serve", "--engine", "fake", "--host", "0.0.0.0"]) == 2
    refused = capsys.readouterr().err
    assert all(word in refused for word in ("API_KEY", "KEYS_URL", "ALLOW_ANONYMOUS", "HOST=127.0.0.1"))
    for flags, shown in (
        (["--host", "0.0.0.0", "--allow-anonymous", "true"], "ALLOW_ANONYMOUS is set"),
        ([], "only this machine reaches the server"),
    ):
        assert main(["serve", "--engine", "fake", *flags]) == 0
        assert shown in capsys.readouterr().err


def test_a_server_that_stops_takes_requests_until_load_balancers_have_noticed(tmp_path: Path) -> None:
    """A second signal does not wait for that."""
    with supervised(
        tmp_path / "log", engine="fake", jobs_url="off", decode_workers=1, stop_delay_seconds=600
    ) as server:
        server.wait()
        server.process.terminate()
        server.wait("/ready", 503)
        assert httpx.get(f"{server.base}/ready").json()["error"]["code"] == "stopping"
        assert httpx.get(f"{server.base}/health").status_code == 200
        assert (
            httpx.post(f"{server.base}/v1/audio/transcriptions", files={"file": TWO_SECONDS}, timeout=120).status_code
            == 200
        )
        server.process.terminate()
        assert server.process.wait(120) == 0
