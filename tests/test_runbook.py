"""docs/runbook.md: every block is run, section by section, and does what the text promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from endpoint.net import free_port
from tests.compose_double import Stack
from tests.debian import find_program
from tests.redis_server import PROGRAMS
from tests.supervised import CLEAN
from tests.test_architecture import ROOT

TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
HEAD, *PARTS = re.split(r"^## (.*)$", TEXT, flags=re.MULTILINE)
SECTIONS = dict(zip(PARTS[::2], PARTS[1::2], strict=True))
SERVICES = ("gateway", "engine-a", "engine-b", "valkey")
SOUND = (Path(__file__).parent / "audio" / "seven.mp3").read_bytes()
SECONDS = 540


class World:
    """Everything runs, in a folder of its own, as deploy/compose.yml has it."""

    def __init__(self, root: Path, redis: str) -> None:
        self.root = root
        shutil.copytree(ROOT / "deploy", root / "deploy")
        names = [*SERVICES, *(f"{name}-metrics" for name in SERVICES if name != "valkey")]
        ports = {name: free_port() for name in names}
        (root / "ports.json").write_text(json.dumps(ports))
        self.base = f"http://127.0.0.1:{ports['gateway']}"
        self._programs(redis, ports["valkey"])
        self.environment = {
            **CLEAN,
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "COMPOSE_DOUBLE": str(root),
            "PYTHONPATH": str(ROOT),
        }
        values = {"API_KEY": "k" * 24, "ENGINE_TOKEN": "t" * 24, "KEYS_URL": "jobs", "KEY_PEPPER": "p" * 32}
        values |= {"WEBHOOK_SECRETS": "whsec_" + "A" * 43 + "=", "PORT": str(ports["gateway"])}
        text = (root / "deploy" / "env.example").read_text()
        for name, value in values.items():
            text, count = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
            assert count == 1
        (root / "deploy" / ".env").write_text(text)

    def _programs(self, redis: str, port: int) -> None:
        client = shutil.which(redis.replace("-server", "-cli"))
        assert client is not None
        python = f"exec {sys.executable} -m"
        programs = {
            "docker": f'{python} tests.compose_double "$@"',
            "endpoint": f'{python} endpoint "$@"',
            "valkey-server": f'exec {redis} --port {port} --bind 127.0.0.1 "$@"',
            "valkey-cli": f'exec {client} -p {port} "$@"',
        }
        (self.root / "bin").mkdir()
        for name, text in programs.items():
            (self.root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.root / "bin" / name).chmod(0o755)

    def shell(self, script: str) -> str:
        """What a script prints. Each line of it must succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{head()}\n{script}"], cwd=self.root, env=self.environment,
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def section(self, title: str) -> list[str]:
        """What each of its blocks prints, in order."""
        return [self.shell(block) for block in BLOCK.findall(SECTIONS[title])]

    def logs(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in self.root.glob("*.log"))

    def all_up(self) -> None:
        self.shell("compose up -d --wait valkey engine-a engine-b gateway")

    def setting(self, name: str) -> str:
        return dict(Stack(self.root).variables())[name]

    def headers(self, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key or self.setting('API_KEY')}"}

    def transcribe(self, key: str | None = None) -> int:
        files = {"file": ("seven.mp3", SOUND)}
        address = f"{self.base}/v1/audio/transcriptions"
        return httpx.post(address, files=files, headers=self.headers(key), timeout=120).status_code

    def submit(self) -> str:
        files = {"file": ("seven.mp3", SOUND)}
        sent = httpx.post(f"{self.base}/v1/audio/jobs", files=files, headers=self.headers(), timeout=120)
        assert sent.status_code == 202, sent.text
        return str(sent.json()["id"])

    def status(self, job: str) -> str:
        found = httpx.get(f"{self.base}/v1/audio/jobs/{job}", headers=self.headers(), timeout=120)
        return str(found.json()["status"]) if found.status_code == 200 else str(found.status_code)

    def done(self, *jobs: str) -> None:
        for job in jobs:
            self.shell(f'endpoint jobs wait {job} --server {self.base}/v1 --api-key "$API_KEY" --timeout 240')
            assert self.status(job) == "succeeded"


def head() -> str:
    (block,) = BLOCK.findall(HEAD)
    return block


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    find_program(["curl"], "curl")
    find_program(["openssl"], "openssl")
    redis = find_program(PROGRAMS, "redis-server")
    world = World(tmp_path_factory.mktemp("runbook"), redis)
    try:
        world.all_up()
        yield world
    finally:
        stack = Stack(world.root)
        for name in SERVICES:
            stack.end(name)


@pytest.fixture
def world(made: World) -> World:
    made.all_up()
    return made


def alice(world: World) -> str:
    """A key of a caller called alice; those of other tests are ended."""
    listed = "compose exec -T gateway endpoint keys list"
    for line in world.shell(listed).splitlines():
        words = line.split()
        if "alice" in words and "active" in words:
            world.shell(f"compose exec -T gateway endpoint keys revoke {words[0]}")
    return world.shell("compose exec -T gateway endpoint keys create --name alice").strip()


def upgrade(world: World) -> None:
    """Requests go on while both engine servers are replaced, and jobs over the gateway's restart as well."""
    codes, stopping = list[int](), threading.Event()

    def load() -> None:
        while not stopping.is_set():
            codes.append(world.transcribe())

    jobs = [world.submit() for _ in range(4)]
    engines, gateway = BLOCK.findall(SECTIONS["Upgrade without loss"])
    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        world.shell(engines)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert codes
    assert set(codes) == {200}
    world.shell(gateway)
    world.done(*jobs)


def backup(world: World) -> None:
    """What was in the store at the backup is there after the restore, and what came later is not."""
    world.shell("JOBS_URL=jobs-8000.db KEYS_URL=jobs endpoint keys create --name kept")
    save, restore, sqlite = BLOCK.findall(SECTIONS["Back up and restore the job store"])
    before = world.submit()
    world.done(before)
    assert "valkey.rdb" in world.shell(save)
    later = world.submit()
    world.done(later)
    world.shell(restore)
    assert world.status(before) == "succeeded"
    assert world.status(later) == "404"
    world.shell("compose stop valkey && compose up -d --wait valkey")  # the log was written anew
    world.done(world.submit())
    assert world.status(before) == "succeeded"
    assert "('ok',)" in world.shell(sqlite)
    assert "kept" in world.shell("JOBS_URL=backup/jobs-8000.db KEYS_URL=jobs endpoint keys list")


def keys(world: World) -> None:
    old, token, secrets = alice(world), world.setting("ENGINE_TOKEN"), world.setting("WEBHOOK_SECRETS")
    world.section("Rotate keys")
    assert world.transcribe((world.root / "new-key.txt").read_text().strip()) == 200
    assert world.transcribe(old) == 200  # for an hour
    assert world.setting("ENGINE_TOKEN") != token
    assert world.setting("WEBHOOK_SECRETS").endswith(f",{secrets}")
    assert world.transcribe() == 200
    world.shell(f"sed -i 's|^WEBHOOK_SECRETS=.*|WEBHOOK_SECRETS={secrets}|' deploy/.env")


def disk(world: World) -> None:
    job = world.submit()
    world.done(job)
    sizes, _ = world.section("A full disk")
    assert "%" in sizes
    assert world.status(job) == "404"


def gpu(world: World) -> None:
    kill, move = BLOCK.findall(SECTIONS["A dead GPU"])
    shown = world.shell(kill)
    assert "engine-a exited" in shown
    assert world.transcribe() == 200
    world.shell(move)
    assert world.setting("ENGINE_A_GPU") == "1"
    assert world.transcribe() == 200


def tenant(world: World) -> None:
    old = alice(world)
    assert world.transcribe(old) == 200
    world.section("One caller takes it all")
    assert world.transcribe((world.root / "limited-key.txt").read_text().strip()) == 200
    world.shell("compose up -d --no-deps --force-recreate --wait gateway")  # it knew the old key for KEY_CACHE_SECONDS
    assert world.transcribe(old) == 401


def model(world: World) -> None:
    (shown,) = world.section("Another model")
    listed = [one["id"] for one in json.loads(shown.splitlines()[-1])["data"]]
    assert listed == ["openai/whisper-large-v3"]
    assert world.transcribe() == 200


CHECKS: dict[str, Callable[[World], None]] = {
    "Upgrade without loss": upgrade,
    "Back up and restore the job store": backup,
    "Rotate keys": keys,
    "A full disk": disk,
    "A dead GPU": gpu,
    "One caller takes it all": tenant,
    "Another model": model,
}


def test_every_section_has_a_check() -> None:
    assert list(CHECKS) == list(SECTIONS)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("title", CHECKS)
def test_it_can_be_followed(world: World, title: str) -> None:
    CHECKS[title](world)
