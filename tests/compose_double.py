"""A stand-in for `docker compose -f deploy/compose.yml`: the same commands and settings, as processes of this machine.

World makes a folder with a copy of deploy/ and programs on its PATH: docker (this file), endpoint, valkey-server and
valkey-cli. Engines are fake ones. A service's volume is a folder of its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

VARIABLE = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}")
WAIT_SECONDS = 240


class Stack:
    """The services of a folder. ports: by service, and metrics ports by `SERVICE-metrics`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ports: dict[str, int] = json.loads((root / "ports.json").read_text())

    # ---- what compose.yml says

    def service(self, name: str) -> dict[str, Any]:
        loaded = yaml.safe_load((self.root / "deploy" / "compose.yml").read_text())
        found: dict[str, Any] = loaded["services"][name]
        return found

    def variables(self) -> dict[str, str]:
        lines = (self.root / "deploy" / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def local(self, name: str, text: str) -> str:
        """Hosts, ports and volumes of containers as those of this machine."""
        for other, port in self.ports.items():
            text = re.sub(rf"\b{other}:\d+", f"127.0.0.1:{port}", text)
        return re.sub(r"(?<![\w.])/(cache|data)\b", str(self.volume(name)), text)

    def volume(self, name: str) -> Path:
        folder = self.root / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def environment(self, name: str) -> dict[str, str]:
        """As in the container: of the caller's own nothing but how programs are found."""
        given, own = self.variables(), {}
        for key, value in self.service(name).get("environment", {}).items():
            filled = VARIABLE.sub(lambda found: given.get(found[1]) or found[2] or "", str(value))
            if filled:
                own[key] = self.local(name, filled)
        if name != "valkey":
            own |= {"PORT": str(self.ports[name]), "METRICS_PORT": str(self.ports[f"{name}-metrics"])}
            own |= {"HOST": "127.0.0.1", "METRICS_HOST": "127.0.0.1", "API_PROCESSES": "1", "DECODE_WORKERS": "1"}
            own |= {"XDG_CACHE_HOME": str(self.volume(name)), "XDG_STATE_HOME": str(self.volume(name))}
        own |= {kept: os.environ[kept] for kept in ("PATH", "PYTHONPATH", "COMPOSE_DOUBLE") if kept in os.environ}
        if name.startswith("engine"):
            own |= {"ENGINE": "fake", "ENGINE_ARGS": '{"delay": 0.2}'}
        return own

    def command(self, name: str, words: Sequence[str] | None = None) -> list[str]:
        return [self.local(name, str(word)) for word in words or self.service(name)["command"]]

    # ---- processes

    def state(self, name: str) -> dict[str, Any] | None:
        """Its process and settings; None where it does not run."""
        path = self.root / f"{name}.json"
        if not path.exists():
            return None
        found: dict[str, Any] = json.loads(path.read_text())
        try:
            status = Path(f"/proc/{found['pid']}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return None
        return None if status == "Z" else found

    def start(self, name: str) -> None:
        own = self.environment(name)
        with (self.root / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                self.command(name), env=own, cwd=self.volume(name), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        kept = {"pid": process.pid, "environment": own}
        (self.root / f"{name}.json").write_text(json.dumps(kept))

    def end(self, name: str, number: int = signal.SIGTERM) -> None:
        found = self.state(name)
        if found is None:
            return
        os.kill(found["pid"], number)
        end = time.monotonic() + WAIT_SECONDS
        while self.state(name) is not None:
            if time.monotonic() > end:
                raise SystemExit(f"{name} does not end")
            time.sleep(0.05)

    def wait(self, name: str) -> None:
        """Until it is healthy, as its HEALTHCHECK would find it."""
        end = time.monotonic() + WAIT_SECONDS
        while not self._healthy(name):
            if self.state(name) is None or time.monotonic() > end:
                raise SystemExit(f"{name} is not healthy: {(self.root / f'{name}.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _healthy(self, name: str) -> bool:
        if name == "valkey":
            done = subprocess.run(["valkey-cli", "ping"], capture_output=True, text=True, check=False)
            return done.stdout.strip() == "PONG"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/health", timeout=5):
                return True
        except OSError:
            return False

    # ---- verbs

    def up(self, flags: set[str], names: Sequence[str]) -> None:
        for name in names:
            found = self.state(name)
            same = found is not None and found["environment"] == self.environment(name)
            if not same or "--force-recreate" in flags:
                self.end(name)
                self.start(name)
        for name in names if "--wait" in flags else ():
            self.wait(name)

    def run(self, name: str, words: Sequence[str]) -> int:
        return subprocess.run(
            self.command(name, words), env=self.environment(name), cwd=self.volume(name), check=False
        ).returncode


def main(argv: list[str]) -> int:
    assert argv[:3] == ["compose", "-f", "deploy/compose.yml"], argv
    verb, rest = argv[3], argv[4:]
    stack = Stack(Path(os.environ["COMPOSE_DOUBLE"]))
    flags = {word for word in rest if word.startswith("-")}
    if verb in ("exec", "run"):
        while rest[0] in ("-T", "--rm", "--no-deps"):
            rest = rest[1:]
        return stack.run(rest[0], rest[1:])
    names = [word for word in rest if not word.startswith("-")]
    if verb == "up":
        assert flags <= {"-d", "--wait", "--no-deps", "--force-recreate"}
        stack.up(flags, names)
    elif verb in ("stop", "kill"):
        for name in names:
            stack.end(name, signal.SIGKILL if verb == "kill" else signal.SIGTERM)
    elif verb == "ps":
        services = [name for name in stack.ports if not name.endswith("-metrics")]
        print("\n".join(f"{name} {'running' if stack.state(name) else 'exited'}" for name in services))
    else:
        raise SystemExit(f"the stand-in does not know {verb}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
