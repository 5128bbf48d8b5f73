"""Programs that tests run and pip cannot install: found, or installed from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

import pytest

INSTALL_SECONDS = 240


def find_program(programs: Sequence[str], package: str) -> str:
    """Where one of the programs is; installed first where that can be done. Skips the test without one.

    In CI it fails instead, unless Debian's packages are out of reach.
    """
    found, reachable = _which(programs), False
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        reachable = _install(package)
        found = _which(programs)
    if found is None:
        reason = f"there is no {' and no '.join(programs)} (Debian and Ubuntu: apt-get install {package})"
        if reachable and os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def _which(programs: Sequence[str]) -> str | None:
    return next((path for name in programs if (path := shutil.which(name))), None)


def _install(package: str) -> bool:
    """Whether Debian's packages could be reached. RUNLEVEL keeps Debian from starting it as a service."""
    environment = {**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    for command in (install, ["apt-get", "update", "-q"], install):
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return False
        if command == install and done.returncode == 0:
            return True
    return done.returncode == 0
