"""The error classes form the tree in the module's docstring, and every error has a message."""

from __future__ import annotations

import re

import pytest

from endpoint import errors
from endpoint.errors import EndpointError, InvalidAudio, NotReady, Overloaded, TooLarge, Unavailable

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, EndpointError)]


def drawn() -> dict[str, str | None]:
    """Name -> parent of every class in the module's drawing."""
    path: list[str] = []
    parents: dict[str, str | None] = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"((?:│   |    )*)(├── |└── )?([A-Z]\w+)(?:  |$)", line):
            depth = len(found[1]) // 4 + bool(found[2])
            path = [*path[:depth], found[3]]
            parents[found[3]] = path[-2] if depth else None
    return parents


def test_the_drawing_is_the_tree() -> None:
    tree = {c.__name__: c.__bases__[0].__name__ if c is not EndpointError else None for c in CLASSES}
    assert drawn() == tree


def test_codes_are_stable_strings_each_its_own() -> None:
    codes = [c.code for c in CLASSES]
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_has_a_message_a_code_and_a_field(kind: type[EndpointError]) -> None:
    error = kind("what happened", code="special")
    assert (str(error), error.message, error.code) == ("what happened", "what happened", "special")
    assert kind("x").code == kind.code
    assert error.param == ("file" if kind in (InvalidAudio, TooLarge) else None)


def test_unavailable_says_when_to_come_back() -> None:
    assert Unavailable("x").retry_after > 0
    assert Overloaded("x", retry_after=30).retry_after == 30
    assert isinstance(NotReady("x"), Unavailable)
