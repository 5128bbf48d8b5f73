"""The secrets that callers send: how they are made, checked and hashed; and the pepper, the server's own secret.

`sk-` or `ek_`, 12 characters to look it up by, 43 random ones (256 bits), and 12 that only who has the pepper can make.
Whoever tries keys does not get as far as the store: all that is not made here is refused after the same work.
"""

from __future__ import annotations

import hmac
import os
import secrets
import string
import tempfile
from pathlib import Path

from endpoint.errors import ConfigError

KEY, CLIENT_SECRET = "sk-", "ek_"
_LETTERS = string.ascii_letters + string.digits
_LOOKUP, _RANDOM, _TAG = 12, 43, 12
PREFIX_LENGTH = len(KEY) + _LOOKUP
PEPPER_BYTES = 32


class Mint:
    """Makes and checks secrets with one pepper."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    @property
    def fingerprint(self) -> str:
        """What identifies the pepper, and does not give it away."""
        return self._hmac(b"fingerprint:")[:32]

    def make(self, kind: str = KEY) -> str:
        body = kind + "".join(secrets.choice(_LETTERS) for _ in range(_LOOKUP + _RANDOM))
        return body + self._tag(body.encode())

    def digest(self, token: bytes) -> str:
        """HMAC-SHA256, in hexadecimal digits. A slow hash is not needed for random secrets."""
        return self._hmac(b"key:" + token)

    def genuine(self, token: bytes) -> bool:
        """Whether a secret was made with this pepper. The work is the same for any."""
        return hmac.compare_digest(self._tag(token[:-_TAG]).encode(), token[-_TAG:])

    def _tag(self, body: bytes) -> str:
        return self._hmac(b"tag:" + body)[:_TAG]

    def _hmac(self, message: bytes) -> str:
        return hmac.new(self._pepper, message, "sha256").hexdigest()


def prefix_of(token: str) -> str:
    """What a secret is looked up by. It may be shown."""
    return token[:PREFIX_LENGTH]


def kept_pepper(path: Path) -> bytes:
    """The pepper in a file, which is made if there is none, also by many processes at once. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, secrets.token_hex(PEPPER_BYTES))
        pepper = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            f"{path}: the pepper of keys cannot be kept there: {error.strerror}; set KEY_PEPPER"
        ) from error
    if len(pepper) < PEPPER_BYTES:
        raise ConfigError(f"{path}: this is no pepper of keys; the keys that were made with the right one need it")
    return pepper


def _write_once(path: Path, text: str) -> None:
    """A file that others see whole or not at all. Only its owner may read it."""
    handle, made = tempfile.mkstemp(dir=path.parent)  # of mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(made, path)
    except FileExistsError:
        pass  # another process was first
    finally:
        os.unlink(made)
