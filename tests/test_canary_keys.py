"""No key is written anywhere in plain text: not to the store, not to the log at its most talkative, not to an error.

Check 13 of the contract, for keys: live servers, on a file and on Redis.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.access_support import bearer
from tests.redis_server import RedisProcess
from tests.servers import started

AUDIO = Path(__file__).with_name("audio") / "seven.mp3"
SHARED = "shared-canary-key-3f9c"
PEPPER = "pepper-canary-71d0-" + "x" * 32
ADMIN = "/v1/admin/keys"


def run_keys(environment: dict[str, str], *arguments: str) -> str:
    """The secret that `endpoint keys` prints."""
    command = [sys.executable, "-m", "endpoint", "keys", *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def used_in_every_way(base: str, secrets: list[str]) -> list[str]:
    """Responses to right and wrong uses of these secrets and of others that the server makes."""
    first = secrets[0]
    shown = []
    with httpx.Client(base_url=base, timeout=60) as client:
        made = client.post(ADMIN, json={"name": "second"}, headers=bearer(first)).json()
        rotated = client.post(f"{ADMIN}/{made['id']}/rotate", headers=bearer(first)).json()
        client_secret = client.post("/v1/realtime/client_secrets", headers=bearer(made["key"])).json()
        secrets += [made["key"], rotated["key"], client_secret["value"]]
        for secret in secrets:
            for headers in (bearer(secret), {"x-api-key": secret}, {"api-key": secret}, bearer(secret + "x")):
                for method, path in (("GET", "/v1/models"), ("GET", ADMIN), ("POST", "/v1/audio/transcriptions")):
                    shown.append(client.request(method, path, headers=headers).text)
            socket = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
            protocols = {"sec-websocket-protocol": f"realtime, openai-insecure-api-key.{secret}"}
            key = {"sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
            shown.append(client.get("/v1/realtime", headers=socket | protocols | key).text)
            with AUDIO.open("rb") as file:
                response = client.post("/v1/audio/jobs", files={"file": file}, headers=bearer(secret))
            shown.append(response.text)
        assert client.post(f"{ADMIN}/{made['id']}/revoke", headers=bearer(first)).status_code == 200
        shown.append(client.get("/v1/models", headers=bearer(made["key"])).text)
    return shown


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_keys_leave_no_trace(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    state = tmp_path / "state"
    environment = {"XDG_STATE_HOME": str(state), "KEYS_URL": "jobs", "JOBS_URL": str(tmp_path / "jobs.db")}
    server = None
    if kind == "redis":
        server = RedisProcess(request.getfixturevalue("redis_program"), tmp_path / "redis")
        server.folder.mkdir()
        server.start()
        environment |= {"JOBS_URL": server.url, "KEY_PEPPER": PEPPER}
    try:
        secrets = [run_keys(environment, "create", "--name", "operator", "--scopes", "admin,transcribe,jobs")]
        secrets.append(SHARED)
        output = tmp_path / "output.txt"
        with started(output, engine="fake", log_level="debug", api_key=SHARED, **environment) as live:
            live.wait()
            shown = used_in_every_way(live.base, secrets)
    finally:
        if server is not None:
            server.stop()
    assert len(secrets) == 5
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 2
    whole = {str(path): path.read_bytes() for path in files} | {"responses": "\n".join(shown).encode()}
    found = [
        (name, secret[:6]) for name, data in whole.items() for secret in (*secrets, PEPPER) if secret.encode() in data
    ]
    assert found == []
    assert secrets[2][:15].encode() in b"".join(whole.values())  # what it is looked up by, so this was the right place
