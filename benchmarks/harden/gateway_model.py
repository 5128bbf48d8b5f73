"""What a gateway costs and passes where two engine servers have whisper-base."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harden.gateway import costs, setup
from benchmarks.harden.report import Found


async def check(folder: Path, small: bool) -> Found:
    async with setup(folder, ENGINE="vllm", ENGINE_ARGS="{}", MODEL_ID="base", CPU_KV_CACHE_GIB="1") as made:
        return Found(await costs(made, *((3, 6, 1) if small else (40, 48, 5)), callers=6))
