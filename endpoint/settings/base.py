"""How a setting is declared, and how one that lists several entries is read."""

from __future__ import annotations

import re
from typing import Any

from pydantic import AliasChoices, Field


def setting(default: Any, description: str, *aliases: str, **limits: Any) -> Any:
    """A field of a group of settings. aliases: its names in the environment, its own among them."""
    if aliases:
        limits["validation_alias"] = AliasChoices(*aliases)
    return Field(default, description=description, **limits)


def split(listed: str) -> list[str]:
    """The entries of a setting that lists them, separated by commas."""
    return [entry.strip() for entry in listed.split(",") if entry.strip()]


def masked(text: str) -> str:
    """Text, without the name and password of an address in it."""
    return re.sub(r"(?<=://)[^/@]*@", "**********@", text)
