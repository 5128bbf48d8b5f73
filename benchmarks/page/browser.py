"""Chromium on one page, with everything written down that must not happen there."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.page.install import AXE_SCRIPT, PYTHON, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
WAIT_SECONDS = 120.0  # for what a busy machine does late
LOCAL = ("data:", "blob:", "about:")
FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--enable-precise-memory-info",
)
REPORTS = """
addEventListener("securitypolicyviolation", (event) => {
  const about = event.composedPath()[0]?.outerHTML?.slice(0, 200) ?? "";
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${about}`);
});
"""


@dataclass(frozen=True)
class Look:
    """One way that people see the page. scheme: light or dark."""

    name: str
    width: int
    height: int
    scheme: str
    phone: bool = False

    def options(self) -> dict[str, Any]:
        size = {"width": self.width, "height": self.height}
        phone = {"is_mobile": True, "has_touch": True, "device_scale_factor": 2} if self.phone else {}
        return {"viewport": size, "color_scheme": self.scheme, "reduced_motion": "reduce", **phone}


LOOKS = (
    Look("desktop-light", 1280, 860, "light"),
    Look("desktop-dark", 1280, 860, "dark"),
    Look("phone-light", 390, 844, "light", phone=True),
    Look("phone-dark", 390, 844, "dark", phone=True),
)


@dataclass
class Watched:
    """What a page did that it must not: console errors, exceptions, requests to other hosts. CSP reports are errors of
    the console.
    """

    base: str
    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)  # parts of messages that a check brings about itself

    def follow(self, page: Page) -> None:
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self._note(f"exception: {error}"))
        page.on("request", lambda request: self._request(request.url))
        page.on("websocket", lambda socket: self._request(socket.url))

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._note(f"{kind}: {text}")

    def _request(self, url: str) -> None:
        if not url.startswith(LOCAL) and urlsplit(url).netloc != urlsplit(self.base).netloc:
            self._note(f"request to another host: {url}")

    def _note(self, text: str) -> None:
        if not any(part in text for part in self.expected):
            self.problems.append(text)


@contextmanager
def running_browser(microphone: Path | None = None) -> Iterator[Browser]:
    """Chromium without a window. microphone: a WAV file that it takes for what one speaks."""
    sys.path.insert(0, str(PYTHON.absolute()))  # not in the environment: nothing else needs it
    from playwright.sync_api import sync_playwright

    flags = [*FLAGS, *([f"--use-file-for-fake-audio-capture={microphone.absolute()}"] if microphone else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), chromium_sandbox=False, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, base: str, look: Look, **options: Any) -> Iterator[tuple[Page, Watched]]:
    """The page of a server in a profile of its own, and what it must not have done."""
    context: BrowserContext = browser.new_context(**look.options() | {"accept_downloads": True} | options)
    context.set_default_timeout(WAIT_SECONDS * 1000)
    context.add_init_script(REPORTS)
    watched = Watched(base)
    try:
        page = context.new_page()
        watched.follow(page)
        page.goto(base, wait_until="load")
        yield page, watched
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA: rule, element, reason."""
    page.evaluate(AXE_SCRIPT.read_text(encoding="utf-8"))
    found = page.evaluate("(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}, preload: false})", AA)
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {' '.join(node['failureSummary'].split())}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def picture(page: Page, path: Path) -> None:
    """What is seen now, as PNG; and as a small WebP beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": 75})
    path.with_suffix(".webp").write_bytes(base64.b64decode(shot["data"]))
    session.detach()


def wide(page: Page) -> int:
    """By how many pixels the page is wider than its window: people on phones would have to scroll sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
