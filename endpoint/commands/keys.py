"""`endpoint keys create | list | show | rotate | revoke`: the keys of a server, in the store that the settings name."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from endpoint.access.keys import LIMIT_NAMES, ORDINARY, Key, limits_of, scopes_of
from endpoint.access.service import GRACE_SECONDS, Keys, NewKey
from endpoint.access.view import key_object
from endpoint.access.wiring import kept_keys, location
from endpoint.caller import Scope
from endpoint.config import load_settings
from endpoint.errors import InvalidRequest
from endpoint.observe.log import configure_logging
from endpoint.settings.base import masked, split

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"(\d{1,9})([smhd])")
PAGE = 100
WIDE = 1000  # columns: a table is as wide as what is in it, and ids can be copied

Does = Callable[[Keys, argparse.Namespace], Awaitable[None]]


def run(argv: list[str]) -> int:
    given = _parser().parse_args(argv)
    settings = load_settings()
    configure_logging("warning")
    keys = kept_keys(settings)
    if given.command == "create":
        print(f"keys are kept in {masked(location(settings))}", file=sys.stderr)
    if not (settings.keys_url or settings.api_key):
        print("KEYS_URL is not set here. A server asks for keys where it is set: KEYS_URL=jobs", file=sys.stderr)
    asyncio.run(_with(keys, given))
    return 0


async def _with(keys: Keys, given: argparse.Namespace) -> None:
    does: Does = given.does
    await keys.open()
    try:
        await does(keys, given)
    finally:
        await keys.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="endpoint keys", description="Make, list, rotate and revoke API keys.")
    parser.epilog = (
        "create: --name --scopes --models --expires --limits --sampling; rotate: --grace. KEYS_URL says where keys are."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, does: Does, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(does=does)
        return made

    create = add("create", _create, "make a key, and print its secret, which cannot be shown again")
    create.add_argument("--name", default="", help="for people: in lists and in the log")
    scopes = ",".join(sorted(ORDINARY))
    create.add_argument("--scopes", default=scopes, help=f"some of {', '.join(Scope)} (default: {scopes})")
    create.add_argument("--models", default="", help="names of models it may be used with (default: all)")
    create.add_argument("--expires", help="when it ends: 90d, 12h, 30m, or a date such as 2027-01-31 (default: never)")
    create.add_argument("--limits", default="", help=f"name=number,... or JSON; {', '.join(LIMIT_NAMES)}")
    create.add_argument("--sampling", action="store_true", help="its owner consents that SAMPLE_SHARE keeps recordings")
    add("list", _list, "list keys, the newest first")
    add("show", _show, "print a key as JSON").add_argument("id")
    rotate = add("rotate", _rotate, "print another secret for a key; its old one works for a while")
    rotate.add_argument("id")
    hours = GRACE_SECONDS / _UNITS["h"]
    rotate.add_argument("--grace", default=f"{hours:.0f}h", help="how long the old one works (default: %(default)s)")
    add("revoke", _revoke, "end a key for ever").add_argument("id")
    return parser


async def _create(keys: Keys, given: argparse.Namespace) -> None:
    expires_at = moment(given.expires, time.time()) if given.expires else None
    models = frozenset(split(given.models)) or None
    limits, scopes = limits_of(numbers(given.limits)), scopes_of(split(given.scopes))
    key, token = await keys.create(NewKey(given.name, scopes, models, limits, expires_at, given.sampling))
    _print_secret(key, token)


async def _rotate(keys: Keys, given: argparse.Namespace) -> None:
    _print_secret(*await keys.rotate(given.id, seconds(given.grace)))


def _print_secret(key: Key, token: str) -> None:
    """The secret alone on standard output, for a program or a file."""
    print(token)
    print(f"{key.id}: keep this secret, it is not shown again", file=sys.stderr)


async def _list(keys: Keys, given: argparse.Namespace) -> None:
    now, after = time.time(), None
    table = Table("id", "name", "key", "status", "scopes", "models", "last used", show_edge=False)
    while page := await keys.list(after, PAGE):
        for key in page:
            models = "all" if key.models is None else ", ".join(sorted(key.models))
            used = "" if key.used_at is None else datetime.fromtimestamp(key.used_at, UTC).strftime("%Y-%m-%d %H:%M")
            scopes = ", ".join(sorted(key.scopes))
            table.add_row(key.id, key.name, f"{key.prefix}…", key.status(now), scopes, models, used)
        after = page[-1].id
    Console(soft_wrap=True, width=WIDE).print(table if table.row_count else "no keys", highlight=False, markup=False)


async def _show(keys: Keys, given: argparse.Namespace) -> None:
    _print_key(await keys.get(given.id))


async def _revoke(keys: Keys, given: argparse.Namespace) -> None:
    _print_key(await keys.revoke(given.id))


def _print_key(key: Key) -> None:
    print(json.dumps(key_object(key, time.time()), ensure_ascii=False, indent=2))


def seconds(text: str) -> float:
    """Of `90d`, `12h`, `30m` or `10s`. Raises InvalidRequest."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise InvalidRequest(f"{text}: give a number and s, m, h or d, such as 90d")
    return float(int(found[1]) * _UNITS[found[2]])


def moment(text: str, now: float) -> float:
    """Seconds since 1970: of a span from now on, or of a date, in UTC unless it says another. Raises InvalidRequest."""
    if _SPAN.fullmatch(text):
        return now + seconds(text)
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"{text}: give a span such as 90d, or a date such as 2027-01-31") from error
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def numbers(text: str) -> dict[str, Any]:
    """Of a JSON object, or of name=number,name=number. Raises InvalidRequest."""
    if text.lstrip().startswith("{"):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise InvalidRequest(f"limits: no JSON: {error}", param="limits") from error
        assert isinstance(value, dict)
        return value
    pairs = [entry.partition("=") for entry in split(text)]
    if wrong := next((name for name, _, number in pairs if not number.strip().isdecimal()), None):
        raise InvalidRequest(f"limits: {wrong} needs a whole number, as in {LIMIT_NAMES[0]}=60", param="limits")
    return {name.strip(): int(number) for name, _, number in pairs}
