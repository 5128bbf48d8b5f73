"""`endpoint keys`: every command, and that a secret is printed once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from endpoint.__main__ import main
from endpoint.access.wiring import kept_keys
from endpoint.caller import Caller, Limits, Scope
from endpoint.commands.keys import moment, numbers, seconds
from endpoint.config import load_settings
from endpoint.errors import InvalidKey, InvalidRequest
from tests.access_support import NOW


@pytest.fixture(autouse=True)
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("KEYS_URL", "jobs")


def keys(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """What `endpoint keys` prints; of one that fails, its message."""
    assert main(["keys", *arguments]) == status
    shown = capsys.readouterr()
    return shown.out if status == 0 else shown.err


def caller(secret: str) -> Caller:
    """As a server of the same settings finds it."""

    async def admit() -> Caller:
        kept = kept_keys(load_settings())
        await kept.open()
        try:
            return (await kept.admit(secret.encode())).caller
        finally:
            await kept.close()

    return asyncio.run(admit())


def test_a_key_from_its_beginning_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert keys(capsys, "list") == "no keys\n"
    flags = ["--scopes", "jobs,admin", "--models", "small,large", "--expires", "90d", "--limits", "upload_mb=5"]
    secret = keys(capsys, "create", "--name", "Büro", *flags).strip()
    admitted = caller(secret)
    assert admitted == Caller(
        admitted.id, "Büro", frozenset({Scope.JOBS, Scope.ADMIN}), frozenset({"small", "large"}), Limits(upload_mb=5)
    )
    shown: dict[str, Any] = json.loads(keys(capsys, "show", admitted.id))
    assert (shown["name"], shown["status"], shown["limits"]) == ("Büro", "active", {"upload_mb": 5})
    assert shown["expires_at"] - shown["created_at"] in (90 * 86_400 - 1, 90 * 86_400)
    listed = keys(capsys, "list")
    assert all(part in listed for part in (admitted.id, "Büro", shown["prefix"], "admin, jobs", "large, small"))
    other = keys(capsys, "rotate", admitted.id, "--grace", "1h").strip()
    assert caller(other) == caller(secret) == admitted
    keys(capsys, "rotate", admitted.id, "--grace", "0s")
    with pytest.raises(InvalidKey):
        caller(other)
    assert json.loads(keys(capsys, "revoke", admitted.id))["status"] == "revoked"
    assert "revoked" in keys(capsys, "list")
    assert secret not in listed + json.dumps(shown)


def test_a_secret_is_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create"]) == 0
    shown = capsys.readouterr()
    secret = shown.out.strip()
    assert shown.out == f"{secret}\n"
    assert caller(secret).id in shown.err
    assert (
        f"keys are kept in {load_settings().jobs_file}" in shown.err
    )  # where a server of other settings does not look
    assert secret not in shown.err


def test_where_keys_are_off_it_is_mentioned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEYS_URL")
    assert main(["keys", "create"]) == 0
    assert "KEYS_URL is not set here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "key_none"], "no key `key_none`"),
        (["rotate", "key_none"], "no key `key_none`"),
        (["revoke", "key_none"], "no key `key_none`"),
        (["create", "--scopes", "all"], "scopes: one or more of transcribe"),
        (["create", "--expires", "soon"], "soon: give a span such as 90d"),
        (["create", "--expires", "2020-01-01"], "this moment is over"),
        (["create", "--limits", "nonsense=1"], "`nonsense` is none"),
        (["create", "--limits", "upload_mb=x"], "needs a whole number"),
        (["create", "--limits", "{"], "no JSON"),
        (["create", "--limits", '{"upload_mb": -1}'], "from 0 to"),
        (["rotate", "key_none", "--grace", "5"], "such as 90d"),
    ],
)
def test_what_is_wrong_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert message in keys(capsys, *arguments, status=2)


def test_spans_and_moments() -> None:
    assert [seconds(text) for text in ("10s", "30m", "12h", "90d")] == [10, 1800, 43_200, 7_776_000]
    assert moment("1h", NOW) == NOW + 3600
    assert moment("2027-01-31", NOW) == datetime(2027, 1, 31, tzinfo=UTC).timestamp()
    assert moment("2027-01-31T12:00+02:00", NOW) == datetime(2027, 1, 31, 10, tzinfo=UTC).timestamp()
    with pytest.raises(InvalidRequest):
        moment("1w", NOW)


def test_limits_as_pairs_and_as_json() -> None:
    assert numbers("") == {}
    assert numbers("upload_mb=5, requests_per_minute=60") == {"upload_mb": 5, "requests_per_minute": 60}
    assert numbers('{"upload_mb": 5}') == {"upload_mb": 5}
