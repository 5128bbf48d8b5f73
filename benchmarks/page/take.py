"""Take away: every format, layouts, the clipboard, an archive, and subtitles over a video."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING

import pysubs2

from benchmarks.page.browser import LOOKS
from benchmarks.page.read import open_transcript
from benchmarks.page.sounds import JFK, write_video
from benchmarks.page.world import World
from endpoint.bench.containers import decode

if TYPE_CHECKING:
    from playwright.sync_api import Page

CUES = """() => {
  const track = document.querySelector(".take-stage video")?.textTracks[0];
  return track?.cues ? [track.mode, track.cues.length] : null;
}"""


def check(world: World) -> None:
    video = world.folder / "speech.webm"
    write_video(video, decode(JFK))
    with world.page(permissions=["clipboard-read", "clipboard-write"]) as page:
        open_transcript(page, video)
        words = "".join(page.locator(".words").first.text_content() or "").split()
        page.get_by_role("button", name="Take away").click()
        formats(world, page, words)
        layouts(world, page)
        over_video(world, page)
        world.view(page, LOOKS[0], "take-away-video")
        page.keyboard.press("Escape")
        thrown(world, page)
    for look in LOOKS:
        with world.page(look) as page:
            open_transcript(page, JFK)
            page.get_by_role("button", name="Take away").click()
            choose_format(page, "WebVTT (vtt)")
            page.locator(".preview", has_text="WEBVTT").wait_for()
            world.view(page, look, "take-away")


def downloaded(page: Page, button: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    return download.value.path().read_bytes()


def choose_format(page: Page, name: str) -> None:
    page.locator(".segmented label", has_text=re.compile(f"^{re.escape(name)}$")).click()
    page.wait_for_timeout(300)  # a preview is written soon after
    page.locator(".preview:not([aria-busy])").wait_for()


def formats(world: World, page: Page, words: list[str]) -> None:
    first = words[0]
    choose_format(page, "Text")
    text = downloaded(page, "Download").decode()
    world.add("text", f"begins with {first}", text[:60], text.strip().startswith(first))
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied").wait_for()
    world.same("the clipboard has the same text", text, page.evaluate("navigator.clipboard.readText()"))
    page.get_by_text("With times").click()
    page.locator(".preview", has_text="0:0").wait_for()
    for name, kind in (("SubRip (srt)", "srt"), ("WebVTT (vtt)", "vtt")):
        choose_format(page, name)
        cues = pysubs2.SSAFile.from_string(downloaded(page, "Download").decode(), kind)
        world.add(f"{kind} that pysubs2 reads", "cues", f"{len(cues)} cues", len(cues) > 0)
    choose_format(page, "JSON")
    made = json.loads(downloaded(page, "Download"))
    world.add("json", "text, segments, words", ", ".join(made), {"text", "segments"} <= set(made))
    names = sorted(zipfile.ZipFile(io.BytesIO(downloaded(page, "All as a zip"))).namelist())
    world.same("files of the archive", ["json", "srt", "txt", "vtt"], [name.rpartition(".")[2] for name in names])


def layouts(world: World, page: Page) -> None:
    choose_format(page, "WebVTT (vtt)")
    page.get_by_label("Layout of the subtitles").select_option("broadcast")
    page.wait_for_timeout(300)
    page.locator(".preview:not([aria-busy])").wait_for()
    lines = lines_of(page)
    world.add("longest line, broadcast", "at most 42", max(map(len, lines)), max(map(len, lines)) <= 42)
    page.get_by_label("Layout of the subtitles").select_option("own")
    page.get_by_label("Characters of a line").fill("20")
    page.get_by_label("Characters of a line").press("Tab")
    page.wait_for_timeout(300)
    page.locator(".preview:not([aria-busy])").wait_for()
    lines = lines_of(page)
    world.add("longest line of 20 characters", "at most 20", max(map(len, lines)), max(map(len, lines)) <= 20)


def lines_of(page: Page) -> list[str]:
    lines = (page.locator(".preview").text_content() or "").splitlines()[1:]
    return [line for line in lines if line and "-->" not in line]


def over_video(world: World, page: Page) -> None:
    page.get_by_role("button", name="Preview over the video").click()
    page.wait_for_function(f"() => ({CUES})()?.[1] > 0")
    mode, count = page.evaluate(CUES)
    page.locator(".take-stage video").evaluate("one => { one.muted = true; one.currentTime = 4; }")
    page.wait_for_timeout(500)
    world.add("subtitles over the video", "shown", f"{mode}, {count} cues", mode == "showing" and count > 0)


def thrown(world: World, page: Page) -> None:
    page.get_by_role("button", name="Throw away speech.webm").click()
    page.get_by_role("dialog").get_by_role("button", name="Throw away").click()
    page.get_by_text("Nothing here yet").wait_for()
    world.add("a transcript that is thrown away is gone", "gone", "gone", True)
