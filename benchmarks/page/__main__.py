"""make page: the page in a real Chromium, against real servers with whisper-base and human speech.

    --only NAME     of the checks
    --model NAME    instead of whisper-base; `fake`: fixed text without a model
    --small         every check in a short form
    --docs          the pictures go into docs/page, too

Each check prints what was wanted and what was measured. Pictures of every view are in build/page/views, what axe-core
found in build/page/axe.txt, and all lines in build/page/report.html. Exit status 1 if a line falls short.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harden.report import Found, Outcome, write
from benchmarks.page.browser import running_browser
from benchmarks.page.sounds import JFK
from benchmarks.page.world import World, running_world
from endpoint.bench.containers import decode, encode
from endpoint.types import SAMPLE_RATE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHECKS = (
    "subtitles",
    "corrections",
    "weight",
    "transcribe",
    "read",
    "take",
    "operate",
    "long",
)  # modules with `check(world)`
BUILD, DOCS = Path("build/page"), Path("docs/page")
PUBLISHED = (
    "transcribe-empty-desktop-light",
    "transcript-desktop-light",
    "take-away-desktop-light",
)
SPEAKER, PAUSE_SAMPLES = JFK, 3 * SAMPLE_RATE  # what the microphone records, again and again


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CHECKS, action="append")
    parser.add_argument("--model", default="base")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    microphone = BUILD / "microphone.wav"
    microphone.write_bytes(encode(np.concatenate([decode(SPEAKER), np.zeros(PAUSE_SAMPLES, np.int16)]), "wav"))
    with running_browser(microphone) as browser:
        outcomes = run(browser, given.only or CHECKS, given.model, given.small)
    if given.docs:
        publish()
    return 0 if all(one.met for one in outcomes) else 1


def publish() -> None:
    """Copies the pictures that the documentation shows."""
    DOCS.mkdir(parents=True, exist_ok=True)
    for name in PUBLISHED:
        shutil.copy(BUILD / "views" / f"{name}.webp", DOCS)


def run(browser: Browser, names: list[str] | tuple[str, ...], model: str, small: bool) -> list[Outcome]:
    outcomes = []
    alone = tuple(names) == ("long",)  # it has a server of its own
    with running_world(browser, BUILD.absolute(), "fake" if alone else model, small) as world:
        for name in names:
            module = import_module(f"benchmarks.page.{name}")
            about = (module.__doc__ or "").strip().partition("\n")[0]
            began = time.monotonic()
            print(f"{name}: {about}", flush=True)
            checked(world, module.check)
            outcomes.append(Outcome(name, about, time.monotonic() - began, Found(world.lines)))
            world.lines = []
            write(BUILD, outcomes, "The page")
        world.conclude()
        outcomes.append(Outcome("all", "Everything that was seen.", 0.0, Found(world.lines)))
        write(BUILD, outcomes, "The page")
    return outcomes


def checked(world: World, check) -> None:
    """The check; one that breaks off falls short, and the others still run."""
    try:
        check(world)
    except Exception as error:
        traceback.print_exc()
        world.add("the check came to its end", "yes", f"{type(error).__name__}: {error}", False)


if __name__ == "__main__":
    sys.exit(main())
