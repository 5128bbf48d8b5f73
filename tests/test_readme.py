"""The README's commands exist, its settings are all of them, and its examples run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from endpoint.__main__ import COMMANDS
from endpoint.config import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
EXAMPLE_SERVER = "http://localhost:8000"


def commands(word: str) -> list[list[str]]:
    lines = "\n".join(body for kind, body in BLOCKS if kind == "sh").splitlines()
    return [shlex.split(line, comments=True) for line in lines if word in shlex.split(line, comments=True)]


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    used = {command[command.index("make") + 1] for command in commands("make")}
    assert used == {"demo", "test", "serve"}
    assert used <= targets


def test_subcommands_and_flags_exist(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib import import_module

    used = commands("endpoint")
    assert used
    for command in used:
        assert command[1] in COMMANDS
        with pytest.raises(SystemExit):
            import_module(f"endpoint.commands.{command[1]}").run(["--help"])
        help_text = capsys.readouterr().out
        assert all(word in help_text for word in command if word.startswith("--")), command


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$", README, flags=re.MULTILINE)
    assert [name for name, _, _ in rows] == [name.upper() for name in Settings.model_fields]
    for name, default, meaning in rows:
        field = Settings.model_fields[name.lower()]
        assert meaning == field.description
        assert default == ("" if field.default in (None, {}, "") else f"`{field.default}`")


def test_links_lead_to_files() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_python_example_runs(model_server: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "audio" / "seven.mp3", tmp_path / "audio.mp3")
    (code,) = [body for kind, body in BLOCKS if kind == "python"]
    assert EXAMPLE_SERVER in code
    done = subprocess.run(
        [sys.executable, "-c", code.replace(EXAMPLE_SERVER, model_server)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "seven green apple three", done.stderr


@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_curl_example_works(model_server: str) -> None:
    """curl may be missing here: its form fields are sent as it would send them."""
    (command,) = commands("curl")
    fields = [command[k + 1].partition("=")[::2] for k, word in enumerate(command) if word == "-F"]
    form = {name: value for name, value in fields if not value.startswith("@")}
    assert ("file", "@audio.mp3") in fields
    response = httpx.post(
        command[1].replace(EXAMPLE_SERVER, model_server),
        data=form,
        files={"file": (ROOT / "tests" / "audio" / "seven.mp3").read_bytes()},
        timeout=60,
    )
    assert response.status_code == 200
    assert response.json()["text"] == "seven green apple three"
