"""`endpoint bench` against a server on the fake engine, and against what is no server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from endpoint.__main__ import main
from endpoint.local import LocalServer, running_server
from endpoint.net import free_port
from tests.bench_support import ResponseModel, serving
from tests.recordings import tone, wav

MODELS = ResponseModel(b'{"data": [{"id": "large"}]}')
RESPONSE = ResponseModel(b'{"text": "one two"}')


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ENGINE": "fake", "DECODE_WORKERS": "1", "VAD_FILTER": "false"}.items():
            patch.setenv(name, value)
        with running_server() as found:
            yield found


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(tone(16_000, 2)[:, None], 16_000))
    return path


def bench(tmp_path: Path, *flags: object) -> tuple[int, dict[str, Any], str]:
    """Exit status, JSON and page."""
    figures, page = tmp_path / "new" / "figures.json", tmp_path / "other" / "page.html"
    status = main(["bench", *map(str, flags), "--json", str(figures), "--html", str(page)])
    return status, json.loads(figures.read_text()), page.read_text()


def test_a_server_is_measured_closed_and_open(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--url", f"{server.base}/v1", "--pid", server.pid, "--workload", "short"]
    load = ["--concurrency", "1,3", "--requests", "6", "--share", "0.5", "--seconds", "0.3"]
    status, found, page = bench(tmp_path, *flags, *load)
    assert status == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("windows/s", "word errors", "server CPU s", "3 at once"))
    one, three, paced = found["runs"]
    assert [run["concurrency"] for run in found["runs"]] == [1, 3, None]
    assert paced["rate"] == pytest.approx(0.5 * max(one["requests_per_second"], three["requests_per_second"]))
    for run in (one, three):
        assert (run["requests"], run["failures"]) == (6, {})
        assert 0 < run["latency"]["p50"] <= run["latency"]["p95"] <= run["latency"]["p99"] <= run["wall_seconds"]
        assert run["windows_per_second"] == pytest.approx(6 / run["wall_seconds"])
        assert 12 < run["audio_seconds_per_second"] * run["wall_seconds"] < 48
        assert run["server_cpu_seconds"] >= 0  # in ticks of 10 ms: on a fast machine these six take less than one
        assert run["server_peak_mib"] > 20
        assert run["wer"] > 0.5  # the fake engine has a vocabulary of its own
    assert found["model"] == "fake"
    assert page.startswith("<!doctype html>")


def test_a_file_of_ones_own_is_sent_as_it_is(talk: Path, tmp_path: Path) -> None:
    with serving(MODELS, RESPONSE) as (url, asked):
        status, found, _ = bench(
            tmp_path, "--url", url, "--file", talk, "--language", "German", "--field", "prompt=hi", "--concurrency", 1,
            "--requests", 1, "--warm-up", 0,
        )  # fmt: skip
    assert status == 0
    (run,) = found["runs"]
    assert (run["requests"], run["wer"], run["server_cpu_seconds"]) == (1, None, None)
    assert run["audio_seconds_per_second"] == pytest.approx(2 / run["wall_seconds"])
    body = asked[-1][2]
    assert talk.read_bytes() in body
    for name, value in (("language", "de"), ("prompt", "hi"), ("model", "large"), ("response_format", "json")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body


def test_the_language_is_sent_only_when_asked_for(tmp_path: Path) -> None:
    def languages(*flags: str) -> set[bytes]:
        with serving(MODELS, RESPONSE) as (url, asked):
            bench(tmp_path, "--url", url, "--workload", "short", "--concurrency", "2", "--requests", "8", *flags)
        return {body.partition(b'name="language"\r\n\r\n')[2][:2] for _, _, body in asked[2:]}

    assert languages() == {b""}
    assert languages("--language", "spoken") == {b"en", b"fr", b"de", b"es"}
    assert languages("--language", "fr") == {b"fr"}


def test_a_stream_is_timed(tmp_path: Path) -> None:
    lines = '{"type": "transcript.text.delta", "delta": "one"}', '{"type": "transcript.text.done"}'
    stream = ResponseModel("".join(f"data: {line}\n\n" for line in lines).encode(), kind="text/event-stream")
    with serving(MODELS, stream) as (url, asked):
        _, found, _ = bench(tmp_path, "--url", url, "--workload", "short", "--stream", "--concurrency", "1")
    assert b'name="stream"\r\n\r\ntrue' in asked[-1][2]
    run = found["runs"][0]
    assert 0 < run["first_delta"]["p50"] <= run["latency"]["p50"]


def test_failures_are_reported_and_the_status_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(MODELS, RESPONSE, ResponseModel(b"{}", status=503)) as (url, _):
        flags = ["--workload", "short", "--concurrency", "2", "--requests", "3", "--warm-up", "0"]
        status, found, _ = bench(tmp_path, "--url", url, *flags)
        assert status == 1
        assert found["runs"][0]["failures"] == {"status 503": 3}
        assert "2 at once: status 503: 3 of 3" in capsys.readouterr().err


def test_a_server_is_started_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENGINE", "fake")
    monkeypatch.setenv("DECODE_WORKERS", "1")
    status, found, _ = bench(
        tmp_path, "--serve", "--workload", "mixed", "--containers", "mp3,opus", "--concurrency", "1", "--requests", "2"
    )
    assert status == 0
    assert found["runs"][0]["server_peak_mib"] > 20
    assert found["containers"] == "mp3,opus"


# ---- what cannot be measured ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flag",
    ["--concurrency=0", "--concurrency=1,-2", "--concurrency=many", "--concurrency=1,,2", "--concurrency=",
     "--rate=0", "--rate=nan", "--share=0", "--share=3", "--seconds=-1", "--requests=0", "--timeout=inf",
     "--containers=wav,aiff", "--field=x", "--field==x", "--workload=none", "--warm-up=-1"],
)  # fmt: skip
def test_wrong_flags_are_refused_with_the_usage(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", flag])
    assert ended.value.code == 2
    assert flag.partition("=")[0] in capsys.readouterr().err


def fails(capsys: pytest.CaptureFixture[str], *flags: object) -> str:
    """The message when it cannot be run: one line, status 2."""
    assert main(["bench", *map(str, flags)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("endpoint bench: ")
    return line


def test_what_cannot_be_measured_is_reported_in_a_line(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio at all")
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    assert "no such file" in fails(capsys, "--file", tmp_path / "no.wav")
    assert "cannot be read" in fails(capsys, "--file", bad)
    assert "no web address" in fails(capsys, "--url", "localhost:8000/v1")
    assert "is the server running?" in fails(capsys, "--url", nowhere)
    assert "no such process" in fails(capsys, "--url", nowhere, "--pid", 2**22 + 1)
    assert "no such language" in fails(capsys, "--url", nowhere, "--language", "klingon")
    assert "workloads are spoken in en" in fails(capsys, "--url", nowhere, "--language", "Italian")
    assert "folder" in fails(capsys, "--url", nowhere, "--json", tmp_path)
    assert "folder" in fails(capsys, "--url", nowhere, "--html", bad / "x" / "page.html")
    refused = fails(capsys, "--url", f"{server.base}/v1", "--field", "response_format=poem", "--workload", "short")
    assert "responded 400" in refused


def test_what_is_spoken_in_ones_own_file_is_not_known(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "say its code" in fails(capsys, "--file", talk, "--language", "spoken")


def test_no_share_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(MODELS, RESPONSE, ResponseModel(b"{}", status=500)) as (url, _):
        assert main(["bench", "--url", url, "--workload", "short", "--concurrency", "1", "--share", "0.7"]) == 2
    assert "nothing succeeded" in capsys.readouterr().err
