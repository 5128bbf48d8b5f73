"""A recording of four hours: the page stays small, and responds at once while it scrolls and plays.

The engine is the fake one, which gives 14,400 words: the page is measured here, not the model.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.page.browser import LOOKS
from benchmarks.page.sounds import write_speech
from benchmarks.page.transcribe import choose, row
from benchmarks.page.world import World, running_world

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOURS, SMALL_HOURS = 4.0, 0.5
MOST_MB, MOST_MS = 300.0, 100.0
WHEELS, KEYS = 150, 40
# Times between an input and the picture that shows it, and between two pictures, in milliseconds.
WATCH = """() => {
  window.inputs = [];
  window.long = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.inputs.push([entry.name, entry.duration]);
  }).observe({type: "event", durationThreshold: 16, buffered: false});
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.long.push(entry.duration);
  }).observe({type: "longtask", buffered: false});
}"""

SCROLL = "share => { const one = document.querySelector('.reader'); one.scrollTop = one.scrollHeight * share; }"


def check(world: World) -> None:
    hours = SMALL_HOURS if world.small else HOURS
    path = world.folder / "inquiry.mp3"
    write_speech(path, hours)
    with running_world(world.browser, world.folder / "long", "fake", world.small, MAX_AUDIO_SECONDS="15000") as other:
        other.lines = world.lines
        measured(other, path, hours)
        world.watched += other.watched
        world.seen += other.seen
        world.wrong |= other.wrong


def measured(world: World, path: Path, hours: float) -> None:
    with world.page(LOOKS[0]) as page:
        choose(page, path)
        page.locator('.row-card:not([data-status="working"])').wait_for(timeout=1_800_000)
        world.same("what became of it", "done", page.locator(".row-card").get_attribute("data-status"))
        row(page, path.name).locator(".name").click()
        page.locator(".reader .words").first.wait_for()
        page.locator(".wave").wait_for()
        page.evaluate(WATCH)
        page.get_by_role("button", name="Play", exact=True).click()
        scrolled(page)
        typed(page)
        time.sleep(1)
        memory = footprint(world.browser)
        inputs = [took for _, took in page.evaluate("window.inputs")]
        long = page.evaluate("window.long")
        world.view(page, LOOKS[0], "transcript-four-hours")
        segments = page.evaluate("document.querySelectorAll('.segment').length")
    worst, count = max(inputs, default=0.0), len(inputs)
    about = f"{hours:g} hours, {path.stat().st_size / 1e6:.0f} MB of audio"
    world.add(f"memory of the page's process, {about}", f"< {MOST_MB:.0f} MB", f"{memory:.0f} MB", memory < MOST_MB)
    world.add(f"from an input to the picture, worst of {count} over 16 ms, while it scrolls and plays",
              f"< {MOST_MS:.0f} ms", f"{worst:.0f} ms, longest task {max(long, default=0.0):.0f} ms", worst < MOST_MS,
              timed=True)  # fmt: skip
    world.add("segments in the document", "few", segments, segments < 100)


def scrolled(page: Page) -> None:
    """With the wheel, up and down, and by the bar from end to end."""
    box = page.locator(".reader").bounding_box() or {}
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    for number in range(WHEELS):
        page.mouse.wheel(0, 900 if number % 50 < 40 else -2500)
        page.wait_for_timeout(20)
    for share in (1.0, 0.5, 0.0, 0.75):
        page.evaluate(SCROLL, share)
        page.wait_for_timeout(300)


def typed(page: Page) -> None:
    """Keys and clicks on words while it plays."""
    page.locator(".reader").focus()
    for number in range(KEYS):
        page.keyboard.press(("ArrowRight", "ArrowLeft", "Shift+ArrowRight", "Shift+ArrowLeft")[number % 4])
        page.wait_for_timeout(30)
    for number in range(5):
        page.locator(".word").nth(3 + number).click()
        page.wait_for_timeout(100)


def footprint(browser: Browser) -> float:
    """Memory of the largest page's process that is its own, in MB, as Chromium's task manager counts it."""
    session = browser.new_browser_cdp_session()
    processes: list[dict[str, Any]] = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return max(_private(process["id"]) for process in processes if process["type"] == "renderer")


def _private(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return sum(int(kib) for kib in re.findall(r"(?:RssAnon|VmSwap):\s+(\d+) kB", status)) * 1024 / 1e6
