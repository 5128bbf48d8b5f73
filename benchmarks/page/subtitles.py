"""A browser's own WebVTT parser reads 500 random transcripts in eleven scripts as they were written."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.page.world import World
from endpoint.text.format import Rendering, render
from endpoint.text.layout import Layout
from endpoint.types import Transcript
from tests.test_text_subtitles import bare, transcripts

COUNT, SMALL_COUNT = 500, 50
LAYOUTS = (None, Layout("broadcast"), Layout("broadcast", highlight=True))
READ = """
async (files) => {
  const read = async (text) => {
    const video = document.createElement("video");
    const track = document.createElement("track");
    const url = URL.createObjectURL(new Blob([text], {type: "text/vtt"}));
    const ended = new Promise((resolve, reject) => {
      track.addEventListener("load", resolve);
      track.addEventListener("error", () => reject(new Error("the browser refused a file")));
    });
    track.src = url;
    video.append(track);
    document.body.append(video);
    track.track.mode = "hidden";
    await ended;
    const cues = [...track.track.cues].map((cue) => {
      const round = (seconds) => Math.round(seconds * 1000) / 1000;
      return [round(cue.startTime), round(cue.endTime), cue.getCueAsHTML().textContent];
    });
    video.remove();
    URL.revokeObjectURL(url);
    return cues;
  };
  return Promise.all(files.map(read));
}
"""
AT_ONCE = 50

Cue = tuple[float, float, str]


def check(world: World) -> None:
    made = examples(SMALL_COUNT if world.small else COUNT)
    wrong, cues, scripts = list[str](), 0, set[str]()
    page = world.browser.new_page()
    page.goto("about:blank")
    for start in range(0, len(made), AT_ONCE):
        part = made[start : start + AT_ONCE]
        for (transcript, layout, text), found in zip(part, page.evaluate(READ, [x[2] for x in part]), strict=True):
            cues += len(found)
            scripts.add(transcript.language)
            wrong += [f"{why}:\n{text}" for why in differences(transcript, layout, text, found)]
    page.close()
    (world.folder / "wrong.vtt").write_text("\n".join(wrong), encoding="utf-8")
    about = f"{len(made)} transcripts in {len(scripts)} languages, {cues} cues, read by Chromium's WebVTT parser"
    world.add(about, "no difference in text, times or order", f"{len(wrong)} differ", not wrong and bool(cues))


def examples(count: int) -> list[tuple[Transcript, Layout | None, str]]:
    """As the tests of subtitles draw them, always the same, each with a layout and its file."""
    made = list[tuple[Transcript, Layout | None, str]]()

    @settings(max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(transcripts(), st.sampled_from(LAYOUTS))
    def draw(transcript: Transcript, layout: Layout | None) -> None:
        rendering = Rendering("vtt") if layout is None else Rendering("vtt", layout=layout)
        made.append((transcript, layout, render(transcript, rendering)[0].decode()))

    draw()
    return made[:count]


def differences(transcript: Transcript, layout: Layout | None, text: str, found: Sequence[Cue]) -> list[str]:
    """What the browser read otherwise than it was written. text: the file."""
    wrong, written = [], cues_of(text)
    if [tuple(cue[:2]) for cue in found] != [cue[:2] for cue in written]:
        wrong.append("other times")
    if [cue[2] for cue in found] != [cue[2] for cue in written]:
        wrong.append("other texts")
    repeated = layout is not None and layout.highlight  # a cue for each word that is underlined
    if not repeated and bare("".join(cue[2] for cue in found)) != bare(transcript.text):
        wrong.append("not the text of the transcript")
    return wrong


def cues_of(text: str) -> list[Cue]:
    """What a file says, read without a browser: (start, end, text), in seconds."""
    cues = list[Cue]()
    for block in text.rstrip("\n").split("\n\n")[1:]:
        times, _, lines = block.partition("\n")
        start, end = map(_seconds, times.split(" --> "))
        cues.append((start, end, html.unescape(re.sub("</?u>", "", lines))))
    return cues


def _seconds(stamp: str) -> float:
    hours, minutes, seconds = stamp.split(":")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 3)
