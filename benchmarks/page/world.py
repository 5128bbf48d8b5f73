"""A server, a browser and what is found out with them: what every check of the page is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from benchmarks.harden.report import Line
from benchmarks.page.browser import LOOKS, Look, Watched, opened, picture, violations, wide
from endpoint.local import running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PEPPER = "of this run only: nobody else has it"
EVERYTHING = "transcribe,jobs,realtime,admin"
NASTY = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`${7*7}{{7*7}}&lt;b&gt;\u202e</title>"


@dataclass
class World:
    """base: address of the server. admin: a key with every scope. pictures: where they go. small: the short form."""

    browser: Browser
    base: str
    admin: str
    folder: Path
    small: bool
    model: str
    lines: list[Line] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    wrong: dict[str, list[str]] = field(default_factory=dict)  # what axe-core found, by picture
    seen: list[str] = field(default_factory=list)

    @property
    def fake(self) -> bool:
        """Whether the server has no model, so that its text means nothing."""
        return self.model == "fake"

    def add(self, name: str, wanted: str, figure: object, met: bool, *, timed: bool = False) -> None:
        self.lines.append(Line(name, wanted, str(figure), met, timed))
        print(self.lines[-1], flush=True)

    def same(self, name: str, wanted: object, figure: object) -> None:
        self.add(name, str(wanted), figure, wanted == figure)

    @contextmanager
    def page(self, look: Look = LOOKS[0], key: str | None = None, **options: Any) -> Iterator[Page]:
        """A browser profile of its own that is signed in, at the first view. What it did wrong is kept."""
        with opened(self.browser, self.base, look, **options) as (page, watched):
            self.watched.append(watched)
            sign_in(page, key or self.admin)
            yield page

    def view(self, page: Page, look: Look, name: str) -> None:
        """Keeps a picture of what is seen, and what is wrong with it by WCAG 2.2 AA."""
        label = f"{name}-{look.name}"
        picture(page, self.folder / "views" / f"{label}.png")
        found = violations(page)
        if (more := wide(page)) > 0:
            found.append(f"the page is {more} pixels wider than its window")
        self.seen.append(label)
        if found:
            self.wrong[label] = found

    def api(self, method: str, path: str, **given: Any) -> Any:
        """The JSON of a response to the administrator's key. Raises httpx2.HTTPStatusError."""
        headers = {"authorization": f"Bearer {given.pop('key', self.admin)}"}
        response = httpx2.request(method, f"{self.base}{path}", headers=headers, timeout=120, **given)
        response.raise_for_status()
        return response.json()

    def submit(self, path: Path, name: str = "", **fields: str) -> str:
        """The id of a job."""
        file = {"file": (name or path.name, path.read_bytes())}
        return str(self.api("POST", "/v1/audio/jobs", files=file, data=fields)["id"])

    def conclude(self) -> None:
        """The lines about everything that was seen."""
        problems = [text for one in self.watched for text in one.problems]
        (self.folder / "problems.txt").write_text("\n".join(problems), encoding="utf-8")
        self.add(
            f"{len(self.watched)} visits: console errors, exceptions, requests to other hosts, CSP reports",
            "none", "; ".join(problems[:5]) or "none", not problems,
        )  # fmt: skip
        wrong = [f"{view}: {text}" for view, found in self.wrong.items() for text in found]
        (self.folder / "axe.txt").write_text("\n".join(wrong), encoding="utf-8")
        self.add(
            f"axe-core at WCAG 2.2 AA on {len(self.seen)} views, none wider than its window",
            "nothing", "; ".join(wrong[:3]) or "nothing", not wrong,
        )  # fmt: skip


def sign_in(page: Page, key: str) -> None:
    """As people do it."""
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Skip to the content").wait_for(state="attached")
    page.locator(".view h1").wait_for()


@contextmanager
def running_world(browser: Browser, folder: Path, model: str, small: bool, **settings: str) -> Iterator[World]:
    """A server with keys, and one for everything. model: `fake` for none."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.db*"):
        old.unlink()
    kept = {
        "JOBS_URL": str(folder / "jobs.db"),
        "KEYS_URL": str(folder / "keys.db"),
        "KEY_PEPPER": PEPPER,
        "PRICES": '{"*": 0.006}',
        "JOB_WORKERS": "2",
        "URL_NETWORKS": "127.0.0.0/8",
    }
    engine = {"ENGINE": "fake", "SERVED_MODEL_NAME": "fake"} if model == "fake" else {"MODEL_ID": model}
    admin = make_key(kept, "Operator", EVERYTHING)
    with running_server(**kept | engine | settings) as server:
        yield World(browser, server.base, admin, folder, small, model)


def make_key(settings: dict[str, str], name: str, scopes: str) -> str:
    """The secret of a new key, made as an operator makes the first one."""
    command = [sys.executable, "-m", "endpoint", "keys", "create", "--name", name, "--scopes", scopes]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
    return next(word for word in done.stdout.split() if word.startswith("sk-"))
