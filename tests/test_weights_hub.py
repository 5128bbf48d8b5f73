"""The hub: what is asked of its client, which is pretended; and a hub that is silent or refuses, over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub", reason="comes with the engine")

from endpoint.errors import ConfigError  # noqa: E402
from endpoint.weights import hub  # noqa: E402


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: None)


def test_pickles_are_never_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: None) -> None:
    asked = list[dict[str, Any]]()

    def snapshot(name: str, **given: Any) -> str:
        asked.append(given)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    (tmp_path / "model.safetensors").touch()
    assert hub.download("some/whisper", "token") == tmp_path
    assert [given["token"] for given in asked] == ["token"]
    (tmp_path / "model.safetensors").unlink()
    hub.download("some/faster-whisper")  # in CTranslate2's format there are no safetensors
    assert "model.bin" in asked[-1]["allow_patterns"]
    patterns = {pattern for given in asked for pattern in given["allow_patterns"]}
    assert not {"*.bin", "*.pt", "*.py", "pytorch_model.bin"} & patterns


def test_weights_that_are_there_twice_are_fetched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: None
) -> None:
    """As openai/whisper-large-v3 has them. The hub's client chooses here."""
    from huggingface_hub.utils import filter_repo_objects

    files = [
        "config.json", "model.safetensors", "model.fp32-00001-of-00002.safetensors", "model.safetensors.index.fp32.json"
    ]  # fmt: skip
    chosen = list[str]()

    def snapshot(name: str, *, allow_patterns: list[str], ignore_patterns: list[str], **_: Any) -> str:
        chosen.extend(filter_repo_objects(files, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns))
        (tmp_path / "model.safetensors").touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    hub.download("openai/whisper-large-v3")
    assert chosen == ["config.json", "model.safetensors"]


def test_any_failure_of_the_client_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, reachable: None) -> None:
    def fails(*_: object, **__: object) -> str:
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fails)
    for call in (hub.download, hub.download_tokenizer):
        with pytest.raises(ConfigError, match=r"cannot get x from the hub \(OSError\)"):
            call("x")
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fails)
    assert not hub.reachable()


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def refusing() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(60)


@contextmanager
def silent() -> Iterator[int]:
    """Accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield server.getsockname()[1]


PROGRAM = """
from endpoint.errors import ConfigError
from endpoint.weights import hub
hub.SILENCE_SECONDS = 1.0
print(hub.reachable())
for call in (hub.download, hub.download_tokenizer):
    try: print(call("some/whisper"))
    except ConfigError as error: print(error.message)
"""


def asked(port: int, home: Path) -> list[str]:
    """In a process of its own: the hub's client reads where the hub is when it is imported."""
    environment = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    return done.stdout.splitlines()


def test_a_silent_hub_is_not_taken_for_one_that_refuses(tmp_path: Path) -> None:
    with silent() as port:
        reached, *others = asked(port, tmp_path)
    assert reached == "False"
    assert len(others) == 2
    assert all("it does not respond" in line for line in others)
    with refusing() as port:
        reached, *others = asked(port, tmp_path)
    assert reached == "True"
    assert len(others) == 2
    assert all("RepositoryNotFoundError" in line for line in others)


def test_what_the_clients_cache_holds_is_used_where_the_hub_is_silent(tmp_path: Path) -> None:
    commit = "0" * 40
    repository = tmp_path / "hub" / "models--some--whisper"
    (folder := repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    with silent() as port:
        assert asked(port, tmp_path) == ["False", str(folder), str(folder / "tokenizer.json")]
