"""`endpoint deploy huggingface` against a double of the hub's API: every action, in the order of an endpoint's life."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from endpoint.__main__ import main
from tests.hub_double import TOKEN, Double, hub
from tests.servers import Server
from tests.supervised import supervised
from tests.test_managed_definition import SHIPPED, changed

KEY = "a-key-of-the-server"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What runs in the endpoint: this server, with a key of its own."""
    output = tmp_path_factory.mktemp("deploy") / "log"
    with supervised(output, engine="fake", jobs_url="off", api_key=KEY, decode_workers=1, api_processes=1) as server:
        server.wait()
        yield server


@pytest.fixture
def there(running: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    with hub(running.base) as (base, double):
        monkeypatch.setattr(constants, "ENDPOINT", base)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", base)
        monkeypatch.setattr(constants, "INFERENCE_ENDPOINTS_ENDPOINT", base)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield double


def deploy(*flags: str) -> int:
    return main(["deploy", "huggingface", *flags])


def test_a_life(
    there: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", KEY)
    file = changed(tmp_path, ("secrets = []", 'secrets = ["API_KEY"]'), ('ALLOW_ANONYMOUS = "true"', ""))
    named, given = ("--name", "whisper"), ("--definition", str(file))
    assert deploy("create", *given) == 0
    sent = next(body for method, path, body in there.calls if (method, path) == ("POST", "/endpoint/somebody"))
    assert sent["model"]["image"] == {
        "custom": {"url": "registry.example.com/whisper-endpoint:0.1.0", "port": 8000, "healthRoute": "/health"}
    }
    assert sent["model"]["secrets"] == {"API_KEY": KEY}
    assert sent["compute"]["scaling"] == {
        "minReplica": 0, "maxReplica": 2, "scaleToZeroTimeout": 60, "measure": {"pendingRequests": 16.0},
    }  # fmt: skip
    assert sent["provider"] == {"vendor": "aws", "region": "us-east-1"}
    assert "584 a month" in capsys.readouterr().out

    assert deploy("wait", *named, "--every", "1") == 0
    assert deploy("status", *named) == 0
    assert "running, 1 of 1 replicas ready" in capsys.readouterr().out
    assert deploy("test", *named, "--api-key", KEY, "--timeout", "60") == 0
    assert " s: " in capsys.readouterr().out
    assert deploy("test", *named, "--api-key", "another") == 2  # the server's own key is asked for
    assert "401" in capsys.readouterr().err
    assert deploy("test", *named, "--api-key", KEY, "--timeout", "60", "--cold", "--every", "1") == 0
    assert "from no replica" in capsys.readouterr().out

    assert deploy("update", *given, "--image", "registry.example.com/whisper-endpoint:0.2.0") == 0
    method, path, body = there.calls[-1]
    assert (method, path) == ("PUT", "/endpoint/somebody/whisper")
    assert body["model"]["image"]["custom"]["url"].endswith(":0.2.0")
    assert body["compute"]["scaling"]["maxReplica"] == 2
    assert deploy("wait", *named, "--every", "1") == 0

    for action, state in (("pause", "paused"), ("resume", "updating"), ("scale-to-zero", "updating")):
        capsys.readouterr()
        assert deploy(action, *named) == 0
        assert capsys.readouterr().out == f"whisper is {state}\n"
        assert there.calls[-1][:2] == ("POST", f"/endpoint/somebody/whisper/{action}")
    assert deploy("delete", *named) == 0
    assert there.calls[-1][:2] == ("DELETE", "/endpoint/somebody/whisper")
    assert deploy("status", *named) == 2


def test_another_namespace_asks_nobody_who_it_is(there: Double) -> None:
    assert deploy("create", "--definition", str(SHIPPED), "--namespace", "somebody") == 0
    assert not [path for _, path, _ in there.calls if "whoami" in path]


def test_hardware(there: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy("hardware") == 0
    assert "aws us-east-1 nvidia-l4 x1: 1 x Nvidia L4, 0.8 an hour, available" in capsys.readouterr().out
    for old, new, reason in (("nvidia-l4", "nvidia-h9", "there is none"), ("nvidia-l4", "nvidia-a100", "reserved")):
        file = changed(tmp_path, (old, new), *([("x1", "x8")] if new == "nvidia-a100" else []))
        assert deploy("create", "--definition", str(file)) == 2
        assert reason in capsys.readouterr().err
    assert not [call for call in there.calls if call[0] == "POST"]


def test_a_deployment_that_fails_is_an_error(there: Double, capsys: pytest.CaptureFixture[str]) -> None:
    there.fails = True
    assert deploy("create", "--definition", str(SHIPPED)) == 0
    assert deploy("create", "--definition", str(SHIPPED)) == 2
    assert "already exists" in capsys.readouterr().err
    assert deploy("test", "--name", "whisper") == 2
    assert "has no address" in capsys.readouterr().err
    assert deploy("wait", "--name", "whisper", "--every", "1") == 2
    assert "failed to deploy" in capsys.readouterr().err


def test_a_wrong_token_is_an_error(there: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert deploy("hardware", "--namespace", "somebody") == 2


def test_a_dry_run_sends_nothing_and_shows_no_secret(
    there: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", KEY)
    file = changed(tmp_path, ("secrets = []", 'secrets = ["API_KEY"]'))
    assert deploy("create", "--definition", str(file), "--dry-run") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["env"]["ALLOW_ANONYMOUS"] == "true"
    assert KEY not in shown
    assert there.calls == []


@pytest.mark.parametrize("flags", [["create"], ["pause"], ["pause", "--name", "x", "--dry-run"]])
def test_what_is_missing_is_named(there: Double, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(*flags) == 2
    assert "--" in capsys.readouterr().err
