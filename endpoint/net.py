"""Network helpers that several commands need."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port of the loopback interface that no process listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
