"""What the repository's texts may not hold."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Written so that this file does not hold them.
HOSTS = ["pypi" + ".org", "pythonhosted" + ".org", "download.pytorch" + ".org", "anaconda" + ".org", "npmjs" + ".org"]
OUTSIDE = [r"(?<![\w.])/wor" + r"k/", r"\bwt-[a-z]+", r"\bcla" + r"ude\b", r"\bcod" + r"ex\b"]
TEXTS = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".sh", ".html", ".js", ".cfg", ""}


def texts() -> list[Path]:
    """What is written by hand: no lists of licences, no recordings, no model."""
    tops = [path for path in ROOT.iterdir() if path.name not in {".venv", ".git", "build", "dist"}]
    files = [file for top in tops for file in (top, *top.rglob("*")) if file.is_file()]
    skipped = {"__pycache__", "model", ".hypothesis", ".ruff_cache", ".mypy_cache", ".pytest_cache", "node_modules"}
    return [file for file in files if file.suffix in TEXTS and not skipped & set(file.relative_to(ROOT).parts)]


def test_the_repository_speaks_of_itself_only() -> None:
    """No package host is prescribed, and nothing outside of the repository is pointed to."""
    pattern = re.compile("|".join([*map(re.escape, HOSTS), *OUTSIDE]), re.IGNORECASE)
    assert [
        f"{file.relative_to(ROOT)}:{number}: {line}"
        for file in texts()
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ] == []
