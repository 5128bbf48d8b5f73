"""The scripts of the Redis store, each of them one atomic step: endpoint/jobs/redis_lua/*.lua.

The first line of a script says what it may do. `allow-oom`: it frees memory, so it runs when there is none. Redis
refuses the others at their start then, so that nothing is half written. `no-writes`: it only reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from endpoint.access.usage_redis import ACCOUNT

FOLDER = Path(__file__).with_name("redis_lua")
COMMON = "common.lua"


def load() -> Mapping[str, str]:
    """The scripts by name, each with the common functions."""
    common = (FOLDER / COMMON).read_text(encoding="utf-8")
    scripts = {}
    for path in sorted(FOLDER.glob("*.lua")):
        if path.name != COMMON:
            first, _, body = path.read_text(encoding="utf-8").partition("\n")
            scripts[path.stem] = f"{first}\n{ACCOUNT}{common}{body}"
    return scripts
