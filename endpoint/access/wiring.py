"""Keys joined by the settings: which there are, where they are kept, and whether the server may do without."""

from __future__ import annotations

import ipaddress
import secrets
from pathlib import Path

import structlog

from endpoint.access.cache import Cache
from endpoint.access.keys import KeyStore
from endpoint.access.keys_sqlite import SqliteKeys
from endpoint.access.service import Keys
from endpoint.access.tokens import PEPPER_BYTES, Mint, kept_pepper
from endpoint.config import Settings
from endpoint.errors import ConfigError

JOBS, OFF = "jobs", "off"
_REDIS = ("redis://", "rediss://", "unix://")

log = structlog.get_logger(__name__)


def build_keys(settings: Settings) -> Keys | None:
    """What the API needs to check keys; None where none are asked for. Raises ConfigError."""
    shared = settings.api_key.get_secret_value() if settings.api_key else None
    if settings.keys_url:
        return kept_keys(settings)
    if shared is None:
        return None
    try:
        return kept_keys(settings)  # for client secrets
    except ConfigError as error:
        log.info("there are no client secrets for sockets", why=error.message)
        mint = Mint(secrets.token_bytes(PEPPER_BYTES))
        return Keys(mint, None, shared)


def kept_keys(settings: Settings) -> Keys:
    """Keys with a store: that of KEYS_URL, else that of jobs. Raises ConfigError."""
    url = location(settings)
    shared = settings.api_key.get_secret_value() if settings.api_key else None
    return Keys(Mint(_pepper(settings, url)), key_store(url), shared, Cache(settings.key_cache_seconds))


def location(settings: Settings) -> str:
    """Where keys are kept: a file, or an address. Raises ConfigError."""
    url = settings.keys_url or JOBS
    if url == JOBS and settings.jobs_url == OFF:
        raise ConfigError("KEYS_URL: keys cannot be where jobs are, as JOBS_URL is `off`; give a file or redis://...")
    if url == JOBS:
        return settings.jobs_url if "://" in settings.jobs_url else str(settings.jobs_file)
    return url


def key_store(url: str) -> KeyStore:
    """The store at a `location`. Raises ConfigError."""
    if url.startswith(_REDIS):
        from endpoint.access.keys_redis import RedisKeys

        return RedisKeys(url)
    if "://" in url:
        raise ConfigError(f"KEYS_URL: {url.partition('://')[0]} is no store; give `jobs`, a file or redis://...")
    return SqliteKeys(Path(url))


def _pepper(settings: Settings, url: str) -> bytes:
    if settings.key_pepper is not None:
        return settings.key_pepper.get_secret_value().encode()
    if "://" in url:
        raise ConfigError(
            "KEY_PEPPER: with Redis, all servers need the same one; set it to 32 random characters or more"
        )
    return kept_pepper(settings.state_folder / "pepper")


def check_anonymous(settings: Settings) -> bool:
    """Whether callers need no key. Raises ConfigError where that has to be allowed, and is not."""
    if settings.api_key or settings.keys_url:
        return False
    if not (settings.allow_anonymous or is_loopback(settings.host)):
        raise ConfigError(
            f"without a key, whoever reaches {settings.host} could use this server. Set API_KEY, or KEYS_URL=jobs and "
            "make keys with `endpoint keys`; where something else guards the server, set ALLOW_ANONYMOUS=true; or "
            "listen on HOST=127.0.0.1"
        )
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
