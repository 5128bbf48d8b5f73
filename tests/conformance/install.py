"""Installs the clients that `make conformance` drives, each apart from the others, into build/clients.

python -m tests.conformance.install
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CLIENTS = Path("build", "clients")
OLDEST = "1.68.0"  # of the Python client: the first with stream=True for transcriptions
JAVASCRIPT, OLDEST_NODE, NODE = "7.55.0", 22, "22.23.3"  # the client, what it asks for, and what it gets else

AGENTS = {"livekit-plugins-openai": "1.8.9", "pipecat-ai": "1.14.0"}  # frameworks that use the Realtime protocol

AGENTS_PYTHON = CLIENTS / f"agents-{'-'.join(AGENTS.values())}"
OLD_PYTHON = CLIENTS / f"python-{OLDEST}"
JAVASCRIPT_FOLDER = CLIENTS / f"javascript-{JAVASCRIPT}"


def main() -> None:
    need("curl", "curl")
    need("npm", "npm")
    need("openssl", "openssl")
    install_python(OLD_PYTHON, f"openai=={OLDEST}")
    install_python(AGENTS_PYTHON, *(f"{name}=={version}" for name, version in AGENTS.items()))
    install_javascript()


def need(command: str, package: str) -> None:
    """Have a program, from the system's packages if this is allowed. Ends the process with what is missing."""
    if shutil.which(command):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        run("apt-get", "update", "-q")
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", package)
        return
    sys.exit(f"{command} is missing, and needed: install it first (Debian and Ubuntu: sudo apt-get install {package})")


def install_python(folder: Path, *packages: str) -> None:
    """Clients, in an environment of their own."""
    done = folder / "installed"
    if done.exists():
        return
    run(sys.executable, "-m", "venv", "--clear", str(folder))
    run(str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--no-input", *packages)
    done.touch()


def install_javascript() -> None:
    """The JavaScript client, and a Node.js that is new enough for it where the system's is not."""
    done = JAVASCRIPT_FOLDER / "installed"
    if done.exists():
        return
    JAVASCRIPT_FOLDER.mkdir(parents=True, exist_ok=True)
    packages = [f"openai@{JAVASCRIPT}"] + ([] if node_is_new() else [f"node@{NODE}"])
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(JAVASCRIPT_FOLDER), *packages)
    if not Path(node()).exists() and not shutil.which(node()):
        sys.exit(f"Node.js {OLDEST_NODE} or newer is needed for the JavaScript client {JAVASCRIPT}: install it first")
    done.touch()


def node_is_new() -> bool:
    if not shutil.which("node"):
        return False
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.findall(r"\d+", version)[0]) >= OLDEST_NODE


def node() -> str:
    """The Node.js to run the client with."""
    own = JAVASCRIPT_FOLDER / "node_modules" / ".bin" / "node"
    return str(own) if own.exists() else "node"


def run(*command: str) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(f"this failed with status {done.returncode}: {' '.join(command)}")


if __name__ == "__main__":
    main()
