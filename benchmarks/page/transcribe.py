"""Transcribe: recordings that are chosen, dropped, linked and spoken; long ones survive closing the page."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page.browser import LOOKS, Look
from benchmarks.page.sounds import JFK, RECORDINGS, SAMPLES, SPEECH, write_speech
from benchmarks.page.world import NASTY, World

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

KNOWN = "ask not what your country can do for you"
LONG_HOURS = 0.2  # twelve minutes, which is a job
CANCELLED_HOURS = 1.0
LATEST_MS = 900_000  # until the first text of that: all of it is decoded before
DROP = """([name, type, data]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], name, {type}));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    window.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
  }
}"""

NOTE_FORMS = """() => {
  const send = XMLHttpRequest.prototype.send;
  window.forms = [];
  XMLHttpRequest.prototype.send = function (body) {
    const texts = body instanceof FormData ? [...body].filter(([, one]) => typeof one === "string") : [];
    window.forms.push(Object.fromEntries(texts));
    return send.call(this, body);
  };
}"""


def check(world: World) -> None:
    long, longer = world.folder / "town-hall.mp3", world.folder / "full-day-inquiry.mp3"
    write_speech(long, LONG_HOURS)
    write_speech(longer, CANCELLED_HOURS)
    with world.page(LOOKS[0], permissions=["microphone"]) as page:
        world.view(page, LOOKS[0], "transcribe-empty")
        chosen(world, page)
        dropped(world, page)
        several(world, page)
        options(world, page)
        linked(world, page)
        spoken(world, page, LOOKS[0])
    with world.page(LOOKS[2], permissions=["microphone"]) as page:
        chosen(world, page)
        spoken(world, page, LOOKS[2])
    with world.page() as page:
        closed(world, page, long)
    for look in LOOKS:
        with world.page(look) as page:
            choose(page, JFK, SPEECH)
            finished(page, JFK.name)
            finished(page, SPEECH.name)
            choose(page, longer)
            row(page, longer.name).locator(".settling").wait_for(timeout=LATEST_MS)
            page.evaluate("scrollTo(0, 0)")
            world.view(page, look, "transcribe")
            cancelled(world, page, longer)


def choose(page: Page, *files: Path) -> None:
    page.locator("#files").set_input_files([*files])


def drop(page: Page, name: str, kind: str, data: bytes) -> None:
    page.evaluate(DROP, [name, kind, base64.b64encode(data).decode()])


def row(page: Page, name: str) -> Locator:
    return page.locator(".row-card").filter(has_text=name).first


def finished(page: Page, name: str) -> Locator:
    """The row of a transcript, once it is done."""
    found = page.locator('.row-card[data-status="done"]').filter(has_text=name).first
    found.wait_for()
    return found


def chosen(world: World, page: Page) -> None:
    choose(page, JFK)
    done = finished(page, JFK.name)
    text = done.locator(".opening").text_content() or ""
    world.add("a chosen file becomes text", KNOWN, text, world.fake or KNOWN in text)
    facts = done.locator(".hint").first.text_content() or ""
    world.add("its language and how sure the model is", "English (… % sure)", facts,
              "English" in facts and "% sure" in facts)  # fmt: skip


def dropped(world: World, page: Page) -> None:
    alerts = list[str]()
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    drop(page, f"{NASTY}.flac", "audio/flac", JFK.read_bytes())
    done = finished(page, "alert(1)")
    name = done.locator(".name").text_content()
    world.same("a dropped file whose name is markup is shown as text", f"{NASTY}.flac", name)
    world.same("dialogs that markup opened", 0, len(alerts))


def several(world: World, page: Page) -> None:
    names = ("LJ001-0003.flac", "LJ001-0005.flac", "LJ001-0007.flac")
    choose(page, *(RECORDINGS / name for name in names))
    for name in names:
        finished(page, name)
    world.add("three files at once", "three transcripts", "three transcripts", True)


def options(world: World, page: Page) -> None:
    page.get_by_label("Language spoken").select_option("de")
    page.get_by_text("Translate into English").click()
    page.get_by_text("Names and terms").click()
    page.get_by_label("Words to expect").fill(f"Frankfurt, {NASTY}")
    page.evaluate(NOTE_FORMS)
    with page.expect_request("**/v1/audio/translations"):
        choose(page, SAMPLES / "german.flac")
    finished(page, "german.flac")
    given = page.evaluate("window.forms[0]")
    sent = given.get("language"), given.get("hotwords")
    world.same("language and words to expect of a translation", ("de", f"Frankfurt, {NASTY}"), sent)
    page.get_by_text("Translate into English").click()
    page.get_by_label("Language spoken").select_option("")
    page.get_by_label("Words to expect").fill("")
    page.get_by_label("Words to expect").blur()


def linked(world: World, page: Page) -> None:
    with served(RECORDINGS) as address:
        page.get_by_role("button", name="Paste a link").click()
        page.get_by_label("Address of a recording").fill(f"{address}/{JFK.name}?from=link")
        page.get_by_role("button", name="Fetch and transcribe").click()
        page.locator(".row-card").first.locator(".name").wait_for()
        finished(page, JFK.name)
        page.locator('.row-card[data-status="working"]').wait_for(state="detached")
    text = page.locator(".row-card .opening").first.text_content() or ""
    world.add("a linked recording becomes text", KNOWN, text, world.fake or KNOWN in text)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder over HTTP, on the loopback interface."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


SPOKEN = """() => {
    const box = document.querySelector(".record .settling");
    return box?.firstElementChild.hidden && box.innerText.trim().length > 60;  // the first is the hint
}"""


def spoken(world: World, page: Page, look: Look) -> None:
    """The microphone is a file with the same speech again and again."""
    page.goto(f"{world.base}/#/transcribe")
    page.get_by_role("button", name="Record").click()
    text = page.locator(".record .settling")
    page.wait_for_function(SPOKEN)
    world.view(page, look, "record")
    page.get_by_role("button", name="Stop and keep").click()
    page.locator(".transcript-view .reader").wait_for()
    whole = " ".join(page.locator(".words").all_text_contents())
    world.add(f"speech becomes text while one speaks, {look.name}", "country", whole[:120],
              world.fake or "country" in whole.lower())  # fmt: skip
    text.wait_for(state="detached")
    page.goto(f"{world.base}/#/transcribe")
    page.locator(".drop").wait_for()


def closed(world: World, page: Page, long: Path) -> None:
    """A long recording is a job; the page is closed while it runs, and opened again."""
    choose(page, long)
    row(page, long.name).get_by_text("You may close this page").wait_for()
    context = page.context
    key = page.evaluate("JSON.stringify({...sessionStorage})")
    page.close()
    again = context.new_page()
    world.watched[-1].follow(again)
    again.add_init_script(f"for (const [name, value] of Object.entries({key})) sessionStorage.setItem(name, value);")
    again.goto(world.base)
    row(again, long.name).wait_for()
    done = finished(again, long.name)
    again.close()
    jobs = world.api("GET", "/v1/audio/jobs?status=succeeded")["data"]
    made = [job for job in jobs if job["files"][0]["name"] == long.name]
    world.add("a long recording becomes a job and survives closing the page", "one job, done", f"{len(made)} done",
              len(made) == 1 and done is not None)  # fmt: skip


def cancelled(world: World, page: Page, long: Path) -> None:
    row(page, long.name).get_by_role("button", name="Cancel").click()
    row(page, long.name).get_by_text("Cancelled").wait_for()
    running = [job for job in world.api("GET", "/v1/audio/jobs")["data"] if job["status"] in ("queued", "running")]
    left = [job for job in running if job["files"][0]["name"] == long.name]
    world.same("jobs left after one was cancelled", 0, len(left))
