"""Installs what `make page` drives the page with: Debian's Chromium, Playwright and axe-core, into build/page.

python -m benchmarks.page.install
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.conformance.install import need, run

FOLDER = Path("build", "page")
PLAYWRIGHT, AXE = "1.65.2", "4.14.1"
PYTHON = FOLDER / f"python-{PLAYWRIGHT}"
AXE_FOLDER = FOLDER / f"axe-{AXE}"
AXE_SCRIPT = AXE_FOLDER / "node_modules" / "axe-core" / "axe.min.js"


def main() -> None:
    need("chromium", "chromium")
    need("npm", "npm")
    if not (PYTHON / "playwright").exists():
        package = f"playwright=={PLAYWRIGHT}"
        run(sys.executable, "-m", "pip", "install", "-q", "--no-input", "--target", str(PYTHON), package)
    if not AXE_SCRIPT.exists():
        run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(AXE_FOLDER), f"axe-core@{AXE}")


def chromium() -> str:
    """The path of the browser. Raises FileNotFoundError."""
    found = shutil.which("chromium")
    if found is None:
        raise FileNotFoundError("there is no chromium: make page installs it")
    return found


if __name__ == "__main__":
    main()
