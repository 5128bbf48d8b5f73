"""Limits and usage by the settings: in the store that jobs are in, or in files beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from endpoint.access.counters import Counters
from endpoint.access.counters_sqlite import sqlite_counters
from endpoint.access.limits import Limiter
from endpoint.access.meter import LedgerMeter
from endpoint.access.usage import Ledger
from endpoint.access.usage_sqlite import SqliteLedger
from endpoint.caller import Limits
from endpoint.config import Settings

OFF = "off"
REDIS = ("redis://", "rediss://", "unix://")
SLACK_SECONDS = 60.0  # beyond its time limit, after which nobody works on a request any more


def build_counters(settings: Settings) -> Counters:
    """What limits are counted in; not connected yet."""
    if settings.jobs_url.startswith(REDIS):
        from endpoint.access.counters_redis import redis_counters

        return redis_counters(settings.jobs_url)
    return sqlite_counters(_beside(settings, "limits.db"))


def build_ledger(settings: Settings) -> Ledger | None:
    """None where jobs are off: the ledger is in their store."""
    if settings.jobs_url == OFF:
        return None
    if settings.jobs_url.startswith(REDIS):
        from endpoint.access.usage_redis import RedisLedger

        return RedisLedger(settings.jobs_url)
    return SqliteLedger(settings.jobs_file)


def build_meter(settings: Settings) -> LedgerMeter | None:
    ledger = build_ledger(settings)
    return None if ledger is None else LedgerMeter(ledger, _beside(settings, "usage"))


def build_limiter(settings: Settings, meter: LedgerMeter | None = None) -> Limiter:
    defaults = Limits(
        requests_per_minute=settings.limit_requests_per_minute,
        audio_seconds_per_minute=settings.limit_audio_seconds_per_minute,
        audio_seconds_per_month=settings.limit_audio_seconds_per_month,
        requests_in_flight=settings.limit_requests_in_flight,
        live_sessions=settings.limit_live_sessions,
        upload_mb=settings.limit_upload_mb,
    )
    hold_seconds = settings.request_timeout_seconds + SLACK_SECONDS
    return Limiter(partial(build_counters, settings), defaults, meter, hold_seconds)


def _beside(settings: Settings, name: str) -> Path:
    """Beside the file of jobs; without one, in the folder where it would be."""
    if settings.jobs_url == OFF or "://" in settings.jobs_url:
        return settings.state_folder / f"{settings.port}-{name}"
    return settings.jobs_file.with_name(f"{settings.jobs_file.stem}-{name}")
