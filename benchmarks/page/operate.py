"""The operators' views: jobs, keys, usage and health, on desktop and phone, light and dark."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx2

from benchmarks.page.browser import LOOKS, Look
from benchmarks.page.sounds import SPEECH, write_speech
from benchmarks.page.world import NASTY, World

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

LONG_HOURS = 0.2  # a job that is queued again waits for those before it
WAIT_SECONDS = 300.0
POINTS = 8  # of the lines in pictures
VIEWS = {"jobs": ".entry", "keys": ".entry", "usage": ".plot", "health": ".plot"}  # and what shows that it is there


def check(world: World) -> None:
    prepare(world)
    with world.page() as page:
        jobs(world, page)
        keys(world, page)
        usage(world, page)
        health(world, page)
    for look in LOOKS:
        with world.page(look) as page:
            views(world, page, look)


def prepare(world: World) -> None:
    """Jobs in every state: done, failed, running, waiting; one with a name and metadata that are markup."""
    broken, long = world.folder / "voicemail.mp3", world.folder / "council-meeting.mp3"
    broken.write_bytes(b"no sound at all " * 500)
    write_speech(long, LONG_HOURS)
    world.submit(SPEECH, "interview-with-the-mayor.flac", metadata='{"desk": "local news"}')
    world.submit(SPEECH, f"{NASTY}.flac", metadata=json.dumps({NASTY: NASTY}))
    world.submit(broken)
    wait_until(lambda: len(of_status(world, "succeeded")) >= 2 and len(of_status(world, "failed")) >= 1)
    for part in range(1, 6):
        world.submit(long, f"council-meeting-part-{part}.mp3", priority="normal" if part < 3 else "low")


def of_status(world: World, status: str) -> list[str]:
    return [job["id"] for job in world.api("GET", f"/v1/audio/jobs?status={status}")["data"]]


def wait_until(met: Callable[[], bool]) -> None:
    """Raises TimeoutError."""
    end = time.monotonic() + WAIT_SECONDS
    while not met():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.2)


def entry(page: Page, name: str) -> Locator:
    return page.locator(".entry").filter(has_text=name)


def jobs(world: World, page: Page) -> None:
    page.get_by_role("link", name="Operate").click()
    page.locator(".entry").first.wait_for()
    shown = set(page.locator(".entry").evaluate_all("rows => rows.map(row => row.dataset.id)"))
    listed = {job["id"]: job["files"][0]["name"] for job in world.api("GET", "/v1/audio/jobs")["data"]}
    world.same("jobs that are listed", len(listed), len(shown & set(listed)))
    name = next(name for name in listed.values() if "alert(1)" in name)
    title = entry(page, "alert(1)").first.locator("h2").text_content()
    world.same("markup in the name of a file is shown as text", name, title)
    before = len(of_status(world, "cancelled"))
    waiting = entry(page, "part-5")
    waiting.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    waiting.get_by_text("Cancelled", exact=True).wait_for()
    world.same("jobs cancelled by a button", 1, len(of_status(world, "cancelled")) - before)
    bar = entry(page, "part-1").get_by_role("progressbar")
    wait_until(lambda: bar.evaluate("bar => bar.value") > 0)
    world.add("progress of a running job moves", "above 0", f"{bar.evaluate('bar => bar.value'):.3f}", True)
    failed = of_status(world, "failed")[0]
    attempts = world.api("GET", f"/v1/audio/jobs/{failed}")["attempts"]
    entry(page, "voicemail").get_by_role("button", name="Queue again: voicemail.mp3").click()
    wait_until(lambda: world.api("GET", f"/v1/audio/jobs/{failed}")["attempts"] > attempts)
    world.add("a failed job is worked on again by a button", "yes", "yes", True)
    page.get_by_label("Show").select_option("cancelled")
    wait_until(lambda: page.locator(".entry").count() == before + 1)
    world.same("jobs that are shown by a filter", {"Cancelled"}, set(page.locator(".entry .badge").all_text_contents()))
    waiting.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the job").click()
    waiting.wait_for(state="detached")
    world.same("jobs left after one was deleted", before, len(of_status(world, "cancelled")))


def keys(world: World, page: Page) -> None:
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill(NASTY)
    page.get_by_text("Live: text while one speaks").click()
    page.get_by_text("Limits").click()
    page.get_by_label("Seconds of audio a month").fill("36000")
    page.get_by_role("button", name="Make the key").click()
    secret = secret_of(page)
    made = next(key for key in world.api("GET", "/v1/admin/keys")["data"] if key["name"] == NASTY)
    given = made["scopes"], made["limits"]
    world.same("a new key's scopes and limits", (["jobs", "transcribe"], {"audio_seconds_per_month": 36_000}), given)
    world.same("a key that was made on the page works", 200, transcribed(world, secret))
    row = page.locator(f'.entry[data-id="{made["id"]}"]')
    world.same("markup in a key's name is shown as text", NASTY, row.locator("h2").text_content())
    page.reload()
    row.wait_for()
    world.same("its secret is on the page afterwards", False, secret in page.content())
    row.get_by_role("button", name="New secret").click()
    page.get_by_label("The old secret works").select_option("0")
    page.get_by_role("button", name="Make the secret").click()
    rotated = secret_of(page)
    wait_until(lambda: transcribed(world, secret) == 401)
    world.same("the new secret works, the old one not", (200, 401), (transcribed(world, rotated), 401))
    row.get_by_text("Usage").click()
    row.locator(".plot-bar").first.wait_for(state="attached")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke the key").click()
    row.get_by_text("Revoked", exact=True).wait_for()
    wait_until(lambda: transcribed(world, rotated) == 401)
    world.add("a revoked key is refused", "401", "401", True)


def secret_of(page: Page) -> str:
    """The secret that is shown, once."""
    field = page.get_by_label("Secret", exact=True)
    field.wait_for()
    secret = field.input_value()
    page.get_by_role("button", name="I have kept it").click()
    field.wait_for(state="detached")
    return secret


def transcribed(world: World, key: str) -> int:
    """The status of a transcription."""
    headers, files = {"authorization": f"Bearer {key}"}, {"file": (SPEECH.name, SPEECH.read_bytes())}
    url = f"{world.base}/v1/audio/transcriptions"
    return httpx2.post(url, headers=headers, files=files, timeout=WAIT_SECONDS).status_code


def usage(world: World, page: Page) -> None:
    page.get_by_role("link", name="Usage").click()
    wait_until(lambda: page.locator(".plot-bar").count() == 30)  # the view before it has some, too
    world.add("bars of 30 days", "30", "30", True)
    page.get_by_label("Show").select_option("7")
    wait_until(lambda: page.locator(".plot-bar").count() == 7)
    total = world.api("GET", "/v1/usage")["total"]
    tile = page.locator(".tile").filter(has_text="Requests").locator("dd").text_content() or ""
    world.add("requests by the page and by the API", "within 2", f"{tile} and {total['requests']}",
              abs(int(re.sub(r"\D", "", tile)) - total["requests"]) <= 2)  # fmt: skip
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    table = download.value.path().read_text(encoding="utf-8")
    world.same(
        "first line of the table", "day,requests,audio_seconds,billed_seconds,amount,currency", table.split("\n")[0]
    )


def health(world: World, page: Page) -> None:
    page.get_by_role("link", name="Health").click()
    page.locator(".plot-line").first.wait_for(state="attached")
    wait_until(lambda: points(page) > 0)
    world.same("plots of /metrics", 9, page.locator(".plots .plot").count())
    label = page.locator(".plots .plot").first.get_attribute("aria-label") or ""
    world.add("a plot's text for those who do not see it", "its newest values", label, bool(re.search(r": \d", label)))


def points(page: Page) -> int:
    """Of the first line of the first plot."""
    return (page.locator(".plot-line").first.get_attribute("d") or "").count("L")


def views(world: World, page: Page, look: Look) -> None:
    for name, sign in VIEWS.items():
        page.goto(f"{world.base}/#/operate/{name}")
        page.locator(sign).first.wait_for()
        if name == "health":  # whose lines begin when it is opened
            wait_until(lambda: points(page) >= (1 if world.small else POINTS))
        world.view(page, look, f"operate-{name}")
    page.goto(f"{world.base}/#/operate/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_role("dialog").wait_for()
    world.view(page, look, "operate-new-key")
