"""Read and correct: words are lit while they are spoken, played, corrected, found, given to speakers, and kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page.browser import LOOKS, Look
from benchmarks.page.sounds import JFK, SPEECH, write_talk
from benchmarks.page.transcribe import choose, finished
from benchmarks.page.world import NASTY, World

if TYPE_CHECKING:
    from playwright.sync_api import Page

AT = "() => document.querySelector('.player audio, .player video')?.currentTime ?? -1"
MOST_NAME = 80  # characters of a speaker's
PAUSED = "() => document.querySelector('.player audio, .player video').paused"
# Takes the text of a stretch away, as if the model had found none there: [id of the transcript, seconds].
EMPTIED = """async ([id, start, end]) => {
  const database = await new Promise((resolve, reject) => {
    const asked = indexedDB.open("whisper-endpoint");
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  const done = (asked) => new Promise((resolve) => { asked.onsuccess = () => resolve(asked.result); });
  const texts = database.transaction("texts", "readwrite").objectStore("texts");
  const text = await done(texts.get(id));
  text.segments = text.segments.filter((one) => one.end <= start || one.start >= end);
  text.uncovered = [{start, end}];
  await done(texts.put(text));
  database.close();
}"""


def check(world: World) -> None:
    for look in (LOOKS[0], LOOKS[2]):
        with world.page(look) as page:
            open_transcript(page, JFK)
            played(world, page)
            corrected(world, page)
            named(world, page, look)
            kept(world, page)
    with world.page() as page:
        uncovered(world, page)
    talk = world.folder / "history-of-printing.mp3"
    write_talk(talk)
    for look in LOOKS:
        with world.page(look) as page:
            open_transcript(page, talk)
            page.locator(".word").nth(20).click()
            page.wait_for_function(f"({AT})() > 5")
            page.keyboard.press("Space") if not look.phone else page.get_by_role("button", name="Pause").click()
            world.view(page, look, "transcript")


def open_transcript(page: Page, path: Path) -> None:
    choose(page, path)
    finished(page, path.name).locator(".name").click()
    page.locator(".reader .words").first.wait_for()


def side(page: Page, title: str) -> None:
    """Opens a panel; on phones they are behind a button."""
    tools = page.get_by_role("button", name="Tools")
    if tools.is_visible() and tools.get_attribute("aria-expanded") == "false":
        tools.click()
    panel = page.locator("details.panel").filter(has=page.locator("summary", has_text=title))
    if panel.get_attribute("open") is None:
        panel.locator("summary").click()


def played(world: World, page: Page) -> None:
    word = page.locator(".word").nth(5)
    word.click()
    page.wait_for_function(f"!({PAUSED})()")
    page.locator(".word.lit").first.wait_for()
    at = page.evaluate(AT)
    world.add("a click on a word plays from there", "above 0 s", f"{at:.2f} s", at > 0.3)
    page.locator(".reader").focus()
    page.keyboard.press("Space")
    page.wait_for_function(PAUSED)
    at = page.evaluate(AT)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    back = page.evaluate(AT)
    world.add("keys: space pauses, left goes back 3 s", f"{max(0.0, at - 3):.1f} s", f"{back:.1f} s",
              abs(back - max(0.0, at - 3)) < 0.3)  # fmt: skip
    page.keyboard.press("Shift+ArrowRight")
    world.same("keys: speed", "1.25", page.get_by_label("Speed").input_value())
    waves = page.locator(".wave").evaluate("one => one.offsetHeight > 20 && !one.hidden")
    world.same("the waveform is drawn", True, waves)
    page.get_by_role("button", name="Spectrum").click()
    page.locator("canvas.spectrum").wait_for()
    page.get_by_role("button", name="Spectrum").click()


def segments(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".words").all_text_contents()]


def corrected(world: World, page: Page) -> None:
    before, times = segments(page), page.locator(".segment .time").all_text_contents()
    page.locator(".segment").first.hover()
    page.locator(".segment .edit").first.click()
    page.get_by_role("textbox", name="Text at").fill(f"{before[0]} {NASTY}")
    page.keyboard.press("Enter")
    page.locator(".words", has_text="alert(1)").first.wait_for()
    shown = segments(page)[0]
    world.same("markup in a corrected text is shown as text", f"{before[0]} {NASTY}", shown)
    world.same("times after a correction", times, page.locator(".segment .time").all_text_contents())
    page.keyboard.press("Control+z")
    page.wait_for_function("() => !document.querySelector('.reader').textContent.includes('alert(1)')")
    world.same("the text after undo", before, segments(page))
    page.keyboard.press("Control+Shift+z")
    page.locator(".words", has_text="alert(1)").first.wait_for()
    side(page, "Find and replace")
    page.get_by_label("Find", exact=True).fill("country" if not world.fake else "a")
    count = page.locator("details.panel [role=status]").first.text_content() or ""
    page.get_by_label("Replace with").fill("land")
    page.get_by_role("button", name="Replace all").click()
    page.locator(".words", has_text="land").first.wait_for()
    world.add("find and replace", "found and replaced", count, "Found" in count)


def named(world: World, page: Page, look: Look) -> None:
    """Speakers by hand: two, one of them named, then merged."""
    side(page, "Speakers")
    page.get_by_role("button", name="Mark them by hand").click()
    if look.phone:
        page.get_by_role("button", name="Tools").click()
    page.get_by_label("Speaker at").first.select_option(label="Speaker 1")
    side(page, "Speakers")
    name = page.locator(".speaker-name").first
    name.fill(NASTY[:MOST_NAME])
    name.press("Tab")
    chosen = page.get_by_label("Speaker at").first.evaluate("one => one.selectedOptions[0].textContent")
    world.same(f"markup in the name of a speaker is shown as text, {look.name}", NASTY[:MOST_NAME], chosen)


def kept(world: World, page: Page) -> None:
    shown = segments(page)
    page.wait_for_timeout(1000)  # it is written soon after the last change
    page.reload()
    page.locator(".reader .words").first.wait_for()
    world.same("corrections after the page was loaded again", shown, segments(page))


def uncovered(world: World, page: Page) -> None:
    """A stretch without text is listed, played and decoded again alone."""
    open_transcript(page, SPEECH)
    address = page.url
    page.goto(f"{world.base}/#/transcribe")
    page.locator(".drop").wait_for()
    page.evaluate(EMPTIED, [address.rpartition("/")[2], 0.0, 9.6])
    page.goto(address)
    page.get_by_role("button", name=re.compile("^Play 0:00 .* 0:09")).click()
    page.wait_for_function(f"!({PAUSED})()")
    world.add("speech without text is listed and played", "yes", "yes", True)
    page.get_by_role("button", name=re.compile("^Try again: 0:00")).click()
    page.locator(".reader .words").first.wait_for()
    text = " ".join(segments(page))
    world.add("it is decoded again alone", "printing", text[:80], world.fake or "printing" in text.lower())
