"""How many steps the engine of this process took, and how many windows were in all of them."""

from __future__ import annotations

_counted = [0, 0]


def count(windows: int) -> None:
    """A step of so many windows."""
    if windows:
        _counted[0] += 1
        _counted[1] += windows


def counted() -> tuple[int, int]:
    """(steps, windows), since the start."""
    return _counted[0], _counted[1]
