"""`make demo`: serve the bundled model, transcribe the bundled recordings as a client would, stop the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console

from endpoint.net import free_port

SAMPLES = Path(__file__).parent / "samples"
START_SECONDS = 300.0  # a first start may compile kernels
STOP_SECONDS = 60.0


class NotStarted(Exception):
    """The server ended, or took too long, before it was ready; the message holds its last lines."""


@contextmanager
def running_server(console: Console) -> Iterator[str]:
    """The base URL of a server of our own; it has stopped when the block is left."""
    port = free_port()
    command = [sys.executable, "-m", "endpoint", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={"CPU_KV_CACHE_GIB": "1", **os.environ}
        )
        try:
            _wait(server, f"http://127.0.0.1:{port}", output, console)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(server: subprocess.Popen[bytes], base: str, output: IO[str], console: Console) -> None:
    import httpx2

    began = time.monotonic()
    with console.status("starting the server") as status:
        while (waited := time.monotonic() - began) < START_SECONDS:
            if server.poll() is not None:
                break
            try:
                if httpx2.get(f"{base}/health", timeout=5).status_code == 200:
                    console.print(f"The server is ready after {waited:.0f} s: {base}", highlight=False)
                    return
            except httpx2.TransportError:
                pass
            status.update(f"starting the server and loading the model: {waited:.0f} s, usually 20 to 60")
            time.sleep(0.3)
    output.seek(0)
    raise NotStarted("".join(output.readlines()[-15:]) or f"no answer within {START_SECONDS:.0f} s")


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
        with running_server(console) as base:
            different = transcribe_samples(base, console)
    except NotStarted as error:
        print(f"{error}\nThe server did not start; its last lines are above.", file=sys.stderr)
        print("`endpoint doctor` in the same environment says what is missing.", file=sys.stderr)
        return 1
    console.print("\nAll done; the server has stopped. `make serve` starts one that stays.", highlight=False)
    if different:
        console.print(f"{different} of the recordings came out differently from what was said.", style="red")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
