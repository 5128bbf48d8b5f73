"""`endpoint deploy huggingface ACTION`: a Hugging Face Inference Endpoint of this server, from a definition in TOML."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from endpoint.config import environment
from endpoint.errors import ConfigError, InvalidRequest, Unavailable
from endpoint.managed.definition import Definition, creation, read_definition
from endpoint.managed.huggingface import HuggingFace, costs

ACTIONS = {
    "hardware": "list what can be rented, with prices",
    "create": "make the endpoint, and print what it will cost",
    "update": "change it to what the definition has now: image, hardware, scaling, settings",
    "status": "print its state, address and replicas",
    "wait": "wait until it is running and its health route responds",
    "test": "transcribe a recording there; --cold: from no replica, to see how long the first request waits",
    "pause": "stop it; nothing is paid, and nothing starts it but `resume`",
    "resume": "start it again",
    "scale-to-zero": "stop its replicas; the next request starts one",
    "delete": "remove it",
}
SAMPLE = Path(__file__).parents[1] / "demo" / "recordings" / "LJ001-0011.flac"
HIDDEN = "**********"


def run(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    made = None
    if args.action in ("create", "update") or (args.action == "hardware" and args.definition):
        if args.definition is None:
            raise ConfigError("--definition: which one? deploy/huggingface/endpoint.toml is an example")
        instead = {key: value for key, value in (("name", args.name), ("image", args.image)) if value}
        made = read_definition(args.definition, **instead)
    elif args.action != "hardware" and not args.name:
        raise ConfigError("--name: which endpoint?")
    if args.dry_run:
        if made is None:
            raise ConfigError("--dry-run is for create and update")
        print(json.dumps(_hidden(creation(made, environment())), indent=2))
        return 0
    ACT[args.action](HuggingFace(args.namespace), args, made)
    return 0


def _hidden(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**arguments, "secrets": dict.fromkeys(arguments["secrets"], HIDDEN)}


def _hardware(there: HuggingFace, args: argparse.Namespace, made: Definition | None) -> None:
    for one in there.hardware(made):
        where = f"{one.vendor} {one.region} {one.instance_type} {one.instance_size}"
        print(f"{where}: {one.num_accelerators} x {one.architecture}, {one.price_per_hour:g} an hour, {one.status}")


def _create(there: HuggingFace, args: argparse.Namespace, made: Definition | None) -> None:
    assert made is not None
    (hardware, *_) = there.hardware(made)
    there.create(made, environment())
    print(f"{made.name} is created; `endpoint deploy huggingface wait --name {made.name}` waits for it")
    for line in costs(hardware.price_per_hour, made):
        print(line)


def _update(there: HuggingFace, args: argparse.Namespace, made: Definition | None) -> None:
    assert made is not None
    there.hardware(made)
    print(f"{made.name} is {there.update(made, environment()).status}")


def _status(there: HuggingFace, args: argparse.Namespace, made: Definition | None) -> None:
    found = there.get(args.name)
    state = found.raw["status"]
    ready, wanted = state.get("readyReplica", 0), state.get("targetReplica", 0)
    print(f"{found.name}: {found.status}, {ready} of {wanted} replicas ready")
    print(found.url or "it has no address yet")
    if message := state.get("message"):
        print(message)


def _wait(there: HuggingFace, args: argparse.Namespace, made: Definition | None) -> None:
    began = time.monotonic()
    found = there.wait(args.name, args.timeout, args.every)
    print(f"{found.url} is ready after {time.monotonic() - began:.0f} s")


def _test(there: HuggingFace, args: argparse.Namespace, made: Definition | None) -> None:
    try:
        sound = args.file.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot read {args.file}: {error.strerror}") from error
    if args.cold:
        _cold(there, args)
    tried = there.test(args.name, (args.file.name, sound), args.api_key, args.timeout)
    print(f"{tried.seconds:.1f} s{', from no replica' if args.cold else ''}: {tried.text.strip()}")


def _cold(there: HuggingFace, args: argparse.Namespace) -> None:
    """Until there is no replica. Raises Unavailable after --timeout."""
    there.scale_to_zero(args.name)
    end = time.monotonic() + args.timeout
    while there.get(args.name).status != "scaledToZero":
        if time.monotonic() > end:
            raise Unavailable(f"{args.name} was not scaled to zero in {args.timeout} s")
        time.sleep(args.every)


def _state_after(call: Callable[[HuggingFace, str], Any]) -> Callable[[HuggingFace, argparse.Namespace, Any], None]:
    def act(there: HuggingFace, args: argparse.Namespace, made: Any) -> None:
        print(f"{args.name} is {call(there, args.name).status}")

    return act


def _delete(there: HuggingFace, args: argparse.Namespace, made: Definition | None) -> None:
    there.delete(args.name)
    print(f"{args.name} is removed")


ACT = {
    "hardware": _hardware,
    "create": _create,
    "update": _update,
    "status": _status,
    "wait": _wait,
    "test": _test,
    "pause": _state_after(HuggingFace.pause),
    "resume": _state_after(HuggingFace.resume),
    "scale-to-zero": _state_after(HuggingFace.scale_to_zero),
    "delete": _delete,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="endpoint deploy", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "actions:\n" + "\n".join(f"  {name:<15}{text}" for name, text in ACTIONS.items())
    parser.add_argument("where", choices=["huggingface"])
    parser.add_argument("action", choices=ACTIONS, metavar="action")
    parser.add_argument("--definition", type=Path, help="of create, update and hardware: a file of TOML")
    parser.add_argument("--name", help="of the endpoint; in the place of the definition's")
    parser.add_argument("--image", help="in the place of the definition's")
    parser.add_argument("--namespace", help="user or organization; unset: the token's own user")
    parser.add_argument("--dry-run", action="store_true", help="print what create would send, and send nothing")
    parser.add_argument("--timeout", type=int, default=1800, help="of wait and test, in seconds; default 1800")
    parser.add_argument("--every", type=int, default=5, help="seconds between looks; default 5")
    parser.add_argument("--file", type=Path, default=SAMPLE, help="of test; unset: a recording that is shipped")
    parser.add_argument("--api-key", help="of test: a key of the server's own, beside Hugging Face's token")
    parser.add_argument("--cold", action="store_true", help="of test: scale to zero first")
    return parser
