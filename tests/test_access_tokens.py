"""Secrets of callers, and the pepper: endpoint.access.tokens."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from endpoint.access.tokens import CLIENT_SECRET, PREFIX_LENGTH, Mint, kept_pepper, prefix_of
from endpoint.errors import ConfigError
from tests.access_support import PEPPER


def test_secrets_are_random_and_can_be_sent_anywhere() -> None:
    mint = Mint(PEPPER)
    made = {mint.make() for _ in range(50)} | {mint.make(CLIENT_SECRET) for _ in range(50)}
    assert len({prefix_of(token) for token in made}) == 100
    for token in made:
        assert re.fullmatch(r"(sk-|ek_)[A-Za-z0-9]{67}", token)
        assert len(prefix_of(token)) == PREFIX_LENGTH
        assert mint.genuine(token.encode())
        assert token not in mint.digest(token.encode())


def test_only_what_was_made_with_the_pepper_is_genuine() -> None:
    mint = Mint(PEPPER)
    token = mint.make().encode()
    assert not Mint(PEPPER[::-1]).genuine(token)
    for wrong in (b"", b"sk-", b"x", token[:-1], token + b"x", b"ek_" + token[3:], b"\xff" * 70, token.swapcase()):
        assert not mint.genuine(wrong)
    for at in range(len(token)):  # each of its characters counts
        assert not mint.genuine(token[:at] + b"_" + token[at + 1 :])


def test_digests_differ_by_pepper_and_by_use() -> None:
    one, other = Mint(PEPPER), Mint(PEPPER[::-1])
    assert re.fullmatch(r"[0-9a-f]{64}", one.digest(b"a"))
    assert len({one.digest(b"a"), one.digest(b"b"), other.digest(b"a"), one.fingerprint, other.fingerprint}) == 5
    assert PEPPER.decode() not in one.fingerprint


def test_the_pepper_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "pepper"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(kept_pepper, [path] * 32))
    assert len(found) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["pepper"]
    assert len(found.pop()) >= 32


def test_a_pepper_that_is_none_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "pepper"
    short.write_text("short\n")
    with pytest.raises(ConfigError, match="no pepper"):
        kept_pepper(short)
    with pytest.raises(ConfigError, match="cannot be kept there"):
        kept_pepper(short / "pepper")
