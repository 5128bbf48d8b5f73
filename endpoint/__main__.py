"""The command line: `endpoint COMMAND`, one of COMMANDS."""

from __future__ import annotations

import argparse
import importlib
import sys

from endpoint import __version__
from endpoint.errors import EndpointError

COMMANDS = {
    "serve": "serve the model over HTTP",
    "gateway": "serve over HTTP with the models of engine servers",
    "transcribe": "transcribe files, with a local model or a server",
    "batch": "transcribe many recordings to Parquet, on Ray",
    "listen": "speech to text while one speaks, by a server",
    "worker": "work jobs off, without HTTP",
    "jobs": "submit, follow and fetch jobs of a server",
    "keys": "make, list, rotate and revoke API keys",
    "usage": "show what was transcribed for whom, and what it costs",
    "models": "fetch, list and remove models",
    "evaluate": "word errors of kept recordings against corrected texts",
    "doctor": "show what is installed and what is missing",
    "bench": "measure a running server",
    "capacity": "how many GPUs hold which latency, from a bench report and a traffic trace",
    "deploy": "create, update, test, pause and remove a managed endpoint",
}


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand; returns its exit status."""
    parser = argparse.ArgumentParser(prog="endpoint", description="A self-hosted Whisper endpoint.")
    parser.add_argument("--version", action="version", version=f"endpoint {__version__}")
    lines = "\n".join(f"  {name:<12}{text}" for name, text in COMMANDS.items())
    parser.epilog = f"commands:\n{lines}\n\n`endpoint COMMAND --help` lists a command's flags."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    command = importlib.import_module(f"endpoint.commands.{args.command}")
    try:
        return int(command.run(args.rest))
    except EndpointError as error:
        print(f"endpoint {args.command}: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
