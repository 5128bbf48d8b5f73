"""A key as the API and the command line show it: without anything that it could be used with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from endpoint.access.keys import Key


def key_object(key: Key, now: float) -> dict[str, Any]:
    """JSON. Times are whole seconds since 1970."""
    return {
        "id": key.id,
        "object": "api_key",
        "name": key.name,
        "prefix": key.prefix,
        "status": key.status(now),
        "scopes": sorted(key.scopes),
        "models": None if key.models is None else sorted(key.models),
        "limits": {name: value for name, value in asdict(key.limits).items() if value is not None},
        "sampling": key.sampling,
        "created_at": int(key.created_at),
        "expires_at": _whole(key.expires_at),
        "revoked_at": _whole(key.revoked_at),
        "last_used_at": _whole(key.used_at),
    }


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
