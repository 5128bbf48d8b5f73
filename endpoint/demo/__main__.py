"""`make demo`: serve the bundled model, transcribe the bundled recordings as a client would, stop the server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from endpoint.errors import ConfigError
from endpoint.local import running_server

SAMPLES = Path(__file__).parent / "samples"


@contextmanager
def shown_server(console: Console) -> Iterator[str]:
    """The base URL of a server of our own, with its start on the console. Raises ConfigError."""
    with ExitStack() as stack:
        with console.status("starting the server") as status:
            server = stack.enter_context(
                running_server(
                    lambda waited: status.update(
                        f"starting the server and loading the model: {waited:.0f} s, usually 20 to 60"
                    )
                )
            )
        console.print(f"The server is ready after {server.seconds:.0f} s: {server.base}", highlight=False)
        yield server.base


def transcribe_samples(base: str, console: Console) -> int:
    """Print what was said beside what was heard; the number of recordings where they differ."""
    from openai import OpenAI

    said = json.loads((SAMPLES / "said.json").read_text(encoding="utf-8"))
    different = 0
    for name, truth in said.items():
        began = time.monotonic()
        with OpenAI(base_url=f"{base}/api/v1", api_key="none") as client, (SAMPLES / name).open("rb") as file:
            heard = client.audio.transcriptions.create(model="whisper-1", file=file, response_format="verbose_json")
        same = heard.text.strip() == truth["text"]
        different += not same
        took = time.monotonic() - began
        console.print(f"\n{name}: {heard.duration:.1f} s of {heard.language}, in {took:.2f} s", highlight=False)
        console.print(f"  said   {truth['text']}", highlight=False)
        console.print(f"  heard  {heard.text.strip()}", style="green" if same else "red", highlight=False)
    return different


def main() -> int:
    console = Console(soft_wrap=True)
    try:
        with shown_server(console) as base:
            different = transcribe_samples(base, console)
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        print("`endpoint doctor` in the same environment says what is missing.", file=sys.stderr)
        return 1
    console.print("\nAll done; the server has stopped. `make serve` starts one that stays.", highlight=False)
    if different:
        console.print(f"{different} of the recordings came out differently from what was said.", style="red")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
