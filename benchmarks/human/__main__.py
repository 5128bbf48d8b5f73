"""Word errors, languages and word times on human speech with whisper-base, beside others on the same weights.

Results of a system are kept in the folder of --cache until its weights, version or settings change.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import openai_file
from benchmarks.human import laid, systems
from benchmarks.human.clips import PROMPTS, Clip, prompts, shipped
from benchmarks.human.report import report
from benchmarks.human.systems import FASTER, NAMED_ONLY, OURS, OWN, REFERENCE, STOCK, TRANSFORMERS, Result
from endpoint.config import load_settings
from endpoint.local import running_server
from endpoint.weights.find import find_checkpoint
from endpoint.weights.packages import fetch_base

SHORT = ("lj", *PROMPTS)
LAID = ("talk", "gaps", "languages", "nothing", "times")
SYSTEMS = (*OWN, *FASTER, REFERENCE, TRANSFORMERS, STOCK)
PACKAGES = {STOCK: "vllm", TRANSFORMERS: "transformers", REFERENCE: "openai-whisper"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.human", description=__doc__)
    parser.add_argument("--url", help="a running server with whisper-base; else one is started")
    parser.add_argument("--count", type=int, default=40, help="clips of each language of prompts")
    parser.add_argument("--sets", default=",".join((*SHORT, *LAID)))
    parser.add_argument("--systems", default=",".join(name.replace(",", ";") for name in SYSTEMS),
                        help="separated by commas, a comma within a name written as ;")  # fmt: skip
    parser.add_argument("--cache", type=Path, default=Path("build/human"))
    given = parser.parse_args()
    clips = list(_clips(given.sets.split(","), given.cache, given.count))
    chosen = [name.replace(";", ",") for name in given.systems.split(",")]
    if unknown := set(chosen) - set(SYSTEMS):
        parser.error(f"there is no system {', '.join(unknown)}")
    models = _models(given.cache)
    good = True
    for named in (True, False):
        wanted = [clip for clip in clips if _asked(clip, named)]
        results = {
            name: _results(name, [clip for clip in wanted if _given(name, clip)], named, models, given)
            for name in chosen
            if named or name not in NAMED_ONLY
        }
        good &= report(wanted, results, named, given.cache)
    return 0 if good else 1


def _clips(sets: Sequence[str], cache: Path, count: int) -> Iterator[Clip]:
    """Long recordings are laid out of as many clips as are measured alone."""
    folder = cache / f"laid-{count}"
    short = [
        clip for name in SHORT for clip in (shipped() if name == "lj" else prompts(name, cache / "prompts", count))
    ]
    yield from (clip for clip in short if clip.set in sets)
    makers = {"talk": laid.talks, "gaps": laid.interrupted, "languages": laid.two_languages, "times": laid.timed}
    for name, make in makers.items():
        if name in sets:
            yield from make(short, folder)
    if "nothing" in sets:
        yield from laid.nothing(folder)


def _asked(clip: Clip, named: bool) -> bool:
    """Several languages cannot be named; silence has none, and times of words do not depend on it."""
    return {"languages": not named, "nothing": not named, "times": named}.get(clip.set, True)


def _given(system: str, clip: Clip) -> bool:
    if clip.set == "times":
        return system in (OURS, *systems.TIMED)
    return clip.set in LAID or system not in systems.LONG_ONLY


def _models(cache: Path) -> tuple[Path, Path, Path]:
    """whisper-base as CTranslate2 has it, as Hugging Face has it, and as OpenAI has it."""
    settings = load_settings()
    converted = fetch_base(settings.model_folder)
    folder = find_checkpoint(str(converted), settings.model_folder)
    file = cache / "whisper-base.pt"
    return converted, folder, file if file.exists() else openai_file.write(folder, file)


def _results(
    system: str, clips: Sequence[Clip], named: bool, models: Sequence[Path], given: argparse.Namespace
) -> dict[str, Result]:
    key = hashlib.sha256(f"{_version(system)} {models[0].name} {named}".encode()).hexdigest()[:12]
    path = given.cache / "results" / f"{key}.json"
    known: dict[str, Result] = json.loads(path.read_text()) if path.exists() else {}
    missing = [clip for clip in clips if _key(clip) not in known]
    if missing:
        print(f"{system}, language {'named' if named else 'not named'}: {len(missing)} recordings", flush=True)
        if system in OWN:
            with _server(given.url, models[0]) as base:
                found = dict(systems.ours(base, missing, named, OWN[system]))
        else:
            found = dict(systems.other(system, models, missing, named))
        known |= {_key(clip): found[clip.name] for clip in missing}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, ensure_ascii=False))
    return {clip.name: known[_key(clip)] for clip in clips}


def _key(clip: Clip) -> str:
    """Laid-out recordings differ with the number of clips in them."""
    return str(clip.path) if clip.set in LAID else clip.name


def _version(system: str) -> str:
    """What the results depend on: ours on the code as it is."""
    if system in FASTER:
        return f"{system} {importlib.metadata.version('faster-whisper')} {FASTER[system]}"
    if system not in OWN:
        return f"{system} {importlib.metadata.version(PACKAGES[system])}"
    changed = subprocess.run(["git", "stash", "create"], capture_output=True, text=True, check=True).stdout.strip()
    tree = f"{changed or 'HEAD'}:endpoint"
    return f"{system} {subprocess.run(['git', 'rev-parse', tree], capture_output=True, text=True, check=True).stdout}"


@contextmanager
def _server(url: str | None, model: Path) -> Iterator[str]:
    if url:
        yield url.rstrip("/")
        return
    with running_server(MODEL_ID=str(model)) as server:
        yield server.base


if __name__ == "__main__":
    raise SystemExit(main())
