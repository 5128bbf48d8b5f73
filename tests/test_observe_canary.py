"""Nothing that a caller sent, and no secret, is in logs at DEBUG, metrics, traces or error bodies: canaries show it.

A real server, with requests, errors, jobs and webhooks.
"""

from __future__ import annotations

import base64
import time
from pathlib import Path

import httpx
import pytest

from endpoint.net import free_port
from tests.hooks import receiving
from tests.supervised import supervised

SOUND = (Path(__file__).parent / "audio" / "seven.mp3").read_bytes()
SPOKEN = "echo hotel"  # what the fake engine recognizes in it
KEY = "sk-canary-of-the-key"
SECRET = base64.b64encode(b"canary-of-the-webhook-secret").decode()
GIVEN = {  # by where it is sent
    "prompt": "canary-of-the-prompt",
    "name": "canary-of-the-name.mp3",
    "audio": "canary-of-the-audio",
    "url": "canary-of-the-signature",
    "field": "canary-of-the-field",
    "metadata": "canary-of-the-metadata",
    "path": "canary-of-the-path",
    "hook": "canary-of-the-hook",
}
MARKED = SOUND + b"TAG" + GIVEN["audio"].encode()
SECONDS = 240


def exercise(base: str, hook: str) -> list[httpx.Response]:
    """Requests that are right and wrong, of every kind. Their responses that are errors."""
    bad = []
    with httpx.Client(base_url=base, timeout=120, headers={"authorization": f"Bearer {KEY}"}) as client:
        file = (GIVEN["name"], MARKED)
        right = {"prompt": GIVEN["prompt"], "hotwords": GIVEN["prompt"], "response_format": "verbose_json"}
        for form in (right, right | {"stream": "true"}):
            assert client.post("/v1/audio/transcriptions", files={"file": file}, data=form).status_code == 200
        several = [("files[]", file), ("files[]", (GIVEN["name"], GIVEN["audio"].encode()))]
        assert client.post("/v1/audio/transcriptions", files=several).status_code == 200
        unknown = {"unknown": GIVEN["field"]}
        bad.append(client.post("/v1/audio/transcriptions", files={"file": GIVEN["audio"].encode()}, data=unknown))
        bad.append(client.post("/v1/audio/transcriptions", files={"file": file}, data={"temperature": "hot"}))
        bad.append(client.post("/v1/audio/transcriptions", data={"url": f"{hook}?sig={GIVEN['url']}"}))
        bad.append(client.post("/v1/audio/transcriptions", content=b"broken", headers={"content-type": "multipart/form-data"}))  # fmt: skip # noqa: E501
        bad.append(client.post("/", json={"inputs": GIVEN["audio"]}))
        bad.append(client.get(f"/{GIVEN['path']}?key={KEY}"))
        bad.append(client.get("/v1/models", headers={"authorization": f"Bearer {KEY}-wrong"}))
        jobs = []
        for files, form in (
            ({"file": file}, {}),
            ({"file": (GIVEN["name"], GIVEN["audio"].encode())}, {}),
            (None, {"url": f"{hook}?sig={GIVEN['url']}"}),
        ):
            form |= {"callback_url": f"{hook}?token={GIVEN['hook']}", "prompt": GIVEN["prompt"]}
            form["metadata"] = f'{{"note": "{GIVEN["metadata"]}"}}'
            done = client.post("/v1/audio/jobs", files=files, data=form, headers={"idempotency-key": GIVEN["path"]})
            bad.append(done) if done.status_code != 202 else jobs.append(done.json()["id"])
            client.post("/v1/audio/jobs", files=files, data=form)
        for job in jobs:
            with client.stream("GET", f"/v1/audio/jobs/{job}/events") as events:
                events.read()
            client.get(f"/v1/audio/jobs/{job}/result")
    return bad


@pytest.mark.parametrize("processes", [1, 2])
def test_no_canary_is_anywhere(tmp_path: Path, processes: int) -> None:
    port, output, store = free_port(), tmp_path / "output.txt", tmp_path / "jobs.db"
    settings = {"engine": "fake", "log_level": "debug", "log_format": "json", "metrics_port": port, "jobs_url": store}
    settings |= {"api_key": KEY, "webhook_secrets": f"whsec_{SECRET}", "url_networks": "127.0.0.0/8"}
    with receiving() as hooks, receiving() as collector:
        settings |= {"otel_exporter_otlp_endpoint": collector.url, "otel_bsp_schedule_delay": 100}
        settings |= {"api_processes": processes, "decode_workers": processes}
        with supervised(output, **settings) as server:
            server.wait()
            bad = exercise(server.base, hooks.url)
            end = time.monotonic() + SECONDS
            while len(hooks.received) < 3:  # of three jobs, however they ended
                assert time.monotonic() < end, server.log_end()
                time.sleep(0.1)
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
            server.process.terminate()
            assert server.process.wait(120) == 0
    log = output.read_text()
    assert log.count('"event": "request"') >= 15
    assert '"level": "debug"' in log
    assert '"event": "job ended"' in log
    assert '"event": "webhook delivered"' in log
    traces = b"".join(body for _, body in collector.received)
    assert b"speech_to_text fake" in traces
    for canary in (*GIVEN.values(), KEY, SECRET, SPOKEN, "whsec_"):
        for place, text in (("log", log), ("metrics", metrics), ("traces", traces.decode("latin-1"))):
            assert canary not in text, f"{place}: {canary}"
    for canary in (KEY, SECRET, GIVEN["audio"], SPOKEN):
        assert [response.text for response in bad if canary in response.text] == []
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("jobs.db*") if path.is_file())
    assert KEY.encode() not in kept
    assert SECRET.encode() not in kept
