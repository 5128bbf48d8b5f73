"""What is measured: runs, each in a process of its own with one engine, in order of importance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

LARGE, TURBO = "large-v3", "large-v3-turbo"
BASE = "whisper-base"  # with its weights
BEAMS = 5  # that searches are measured with
ENGINE, HTTP, BARE, STOCK = "engine", "http", "stock engine", "stock server"
HUMAN = "human speech"  # real weights, through all but HTTP
WANTED = {LARGE: 68.0, TURBO: 130.0}  # windows/s through HTTP with wav, on an H200
FRAMES = 1_500  # of the encoder, a window
TOKENS = 114  # of output a window: the mean of real speech in 30 s


@dataclass(frozen=True)
class Size:
    """How much is done. turns: windows a place; levels: windows asked for at once, a place."""

    slots: int
    encoder: int
    turns: int
    levels: tuple[float, ...]
    tokens: int
    layers: int | None = None  # None: as published; else of a tiny model
    limit: float = 170.0  # seconds a run may take
    clips: int = 16  # of human speech


FULL = Size(slots=128, encoder=16, turns=8, levels=(2.0, 0.5), tokens=TOKENS)
SMALL = Size(slots=BEAMS, encoder=2, turns=2, levels=(2.0,), tokens=6, layers=1, limit=240.0, clips=2)


@dataclass(frozen=True)
class Run:
    """who: one of the five above. kv: fp8 or bf16. slots: windows decoded at once (max_num_seqs). encoder: windows
    encoded at once (max_num_batched_tokens / FRAMES).
    """

    who: str
    model: str
    kv: str
    slots: int
    encoder: int

    @property
    def name(self) -> str:
        return f"{self.model}-{self.who}-{self.kv}-{self.slots}-{self.encoder}".replace(" ", "-")

    @property
    def containers(self) -> tuple[str, ...]:
        return ("wav", "mp3") if self.who in (HTTP, STOCK) else ("",)

    def environment(self, folder: str) -> dict[str, str]:
        """Our settings for it."""
        weights = {} if self.who == HUMAN else {"load_format": "dummy"}
        return {
            "MODEL_ID": folder,
            "SERVED_MODEL_NAME": self.model,
            "MAX_NUM_SEQS": str(self.slots),
            "MAX_NUM_BATCHED_TOKENS": str(self.encoder * FRAMES),
            "ENGINE_ARGS": json.dumps({**weights, "kv_cache_dtype": self.cache}),
            "MAX_CONCURRENT_REQUESTS": str(8 * self.slots),
            "LOG_LEVEL": "warning",
            "CPU_KV_CACHE_GIB": "1",
        }

    @property
    def cache(self) -> str:
        """vLLM's name; `auto` is the compute type, bfloat16."""
        return "fp8" if self.kv == "fp8" else "auto"


def runs(size: Size) -> list[Run]:
    """All, the most important first: what was promised, then the parts of it, then what else could be faster."""
    made = list[Run]()

    def add(who: str, kv: str, *, slots: float = 1, encoder: float = 1) -> None:
        for model in (LARGE, TURBO):
            most = max(1, round(size.encoder * encoder))
            made.append(Run(who, model, kv, max(1, round(size.slots * slots)), most))

    made.append(Run(HUMAN, BASE, "fp8", size.slots, size.encoder))
    add(ENGINE, "fp8")
    add(HTTP, "fp8")
    made.append(Run(HUMAN, BASE, "bf16", size.slots, size.encoder))
    add(HTTP, "bf16")
    add(BARE, "bf16")
    add(ENGINE, "bf16")
    add(STOCK, "bf16")
    add(ENGINE, "fp8", slots=2)
    add(ENGINE, "fp8", encoder=2)
    add(ENGINE, "fp8", encoder=0.5)
    add(ENGINE, "fp8", slots=0.5)
    return made


def picked(all_runs: Sequence[Run], models: Sequence[str], patterns: Sequence[str]) -> list[Run]:
    """Those of these models (all if none) whose `name` fits one of the patterns (all if none). Raises ValueError."""
    if unknown := set(models) - {LARGE, TURBO, BASE}:
        raise ValueError(f"--only: no model {', '.join(sorted(unknown))}; there are {LARGE}, {TURBO}, {BASE}")
    found = [
        run
        for run in all_runs
        if (not models or run.model in models)
        and (not patterns or any(fnmatch(run.name, f"*{pattern.replace(' ', '-')}*") for pattern in patterns))
    ]
    if not found:
        raise ValueError(f"--lines: none fits {', '.join(patterns)}; see --list")
    return found


Row = Mapping[str, object]


def reached(model: str, rows: Sequence[Row]) -> float | None:
    """The best rate of a model through HTTP with wav, windows/s; None where nothing was measured."""
    rates = [
        float(str(row["windows_per_second"]))
        for row in rows
        if (row["model"], row["who"], row.get("container")) == (model, HTTP, "wav") and "windows_per_second" in row
    ]
    return max(rates, default=None)
