"""The human clips of the checks, in a folder, and runs of `endpoint batch` over them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from pyarrow import parquet

from benchmarks.human.clips import PROMPTS, prompts

PROMPT_FOLDER = Path("build/human/prompts")
# float32, as bfloat16 rounds differently from batch to batch.
MODEL = {"MODEL_ID": "base", "DTYPE": "float32", "CPU_KV_CACHE_GIB": "1", "LOG_LEVEL": "warning"}


def clip_folder(folder: Path, count: int) -> list[Path]:
    """So many clips, those of each language an equal part, under names of their own."""
    target = folder / f"clips-{count}"
    if not target.exists():
        making = target.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        for number, language in enumerate(PROMPTS):
            share = count // len(PROMPTS) + (number < count % len(PROMPTS))
            for clip in prompts(language, PROMPT_FOLDER, share):
                shutil.copy(clip.path, making / f"{clip.name.replace('/', '-')}.wav")
        making.rename(target)
    return sorted(target.iterdir())


def start_batch(source: Path, output: Path, *flags: str, **settings: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "endpoint", "batch", str(source), "--output", str(output), *flags]
    return subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True)


def rows(output: Path) -> list[dict[str, Any]]:
    """Of both tables."""
    return [row for part in sorted(output.glob("*/part-*.parquet")) for row in parquet.read_table(part).to_pylist()]
