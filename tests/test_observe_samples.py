"""Samples are kept of callers that consent, as large a share as is set, and no more than there is room for."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from endpoint.call import Call
from endpoint.caller import ANONYMOUS, Caller
from endpoint.config import Settings
from endpoint.core.transcriber import transcribe
from endpoint.memfile import MemoryFile
from endpoint.observe.samples import SampleFolder, Sampling, sampled
from endpoint.options import Options
from tests.api_support import AUDIO, TRANSCRIPT, StandIn

CONSENTS, REFUSES = Caller("key_1", sampling=True), Caller("key_2")


def sampling(folder: Path, share: float = 1.0, mib: int = 1, **given: object) -> Sampling:
    return Sampling(StandIn(), SampleFolder(folder, mib), share, **given)


def found(folder: Path, pattern: str = "*") -> list[Path]:
    return list(folder.glob(pattern))


async def kept(transcriber: Sampling, folder: Path, caller: Caller, data: bytes | MemoryFile = AUDIO) -> int:
    before = len(found(folder, "*.json"))
    assert await transcribe(transcriber, data, Options(), Call(caller=caller)) == TRANSCRIPT
    return len(found(folder, "*.json")) - before


async def test_sound_and_transcript_are_kept_for_the_servers_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "samples"
    for data in (AUDIO, MemoryFile(AUDIO)):
        assert await kept(sampling(folder), folder, CONSENTS, data) == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in found(folder):
        assert path.stat().st_mode & 0o777 == 0o600
    for path in found(folder, "*.json"):
        row = json.loads(path.read_text())
        assert (row["text"], row["language"], row["seconds"]) == (TRANSCRIPT.text, "en", 8.47)
        assert (row["caller"], row["kind"]) == ("key_1", "request")
        assert path.with_suffix(".audio").read_bytes() == AUDIO


@pytest.mark.parametrize(
    ("caller", "anonymous", "count"),
    [(CONSENTS, False, 1), (REFUSES, False, 0), (REFUSES, True, 0), (ANONYMOUS, False, 0), (ANONYMOUS, True, 1)],
)
async def test_callers_have_to_consent(tmp_path: Path, caller: Caller, anonymous: bool, count: int) -> None:
    assert await kept(sampling(tmp_path, anonymous=anonymous), tmp_path, caller) == count


async def test_a_share_is_kept(tmp_path: Path) -> None:
    drawn = sampling(tmp_path, 0.3, draw=random.Random(7).random)
    counts = [await kept(drawn, tmp_path, CONSENTS) for _ in range(100)]
    assert 20 <= sum(counts) <= 40


async def test_a_full_folder_takes_no_more_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(bytes(2**20 - 2000))
    transcriber = sampling(tmp_path)
    with capture_logs() as lines:
        counts = [await kept(transcriber, tmp_path, CONSENTS) for _ in range(6)]
    assert counts[0] == 1
    assert counts[-1] == 0
    assert sum(path.stat().st_size for path in found(tmp_path)) <= 2**20
    assert len([line for line in lines if "folder is full" in line["event"]]) == 1


async def test_a_folder_that_cannot_be_written_changes_nothing_for_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with capture_logs() as lines:
        assert await kept(sampling(tmp_path / "file" / "x"), tmp_path, CONSENTS) == 0
    assert lines[0]["event"] == "sample not kept"


async def test_a_failed_request_is_no_sample(tmp_path: Path) -> None:
    core = StandIn()
    core.failure = RuntimeError("inner")
    with pytest.raises(RuntimeError):
        await transcribe(Sampling(core, SampleFolder(tmp_path, 1), 1.0), AUDIO, Options(), Call(caller=CONSENTS))
    assert found(tmp_path) == []


def test_nothing_is_kept_unless_it_is_set(tmp_path: Path) -> None:
    given = StandIn()
    assert sampled(Settings(engine="fake"), given) is given
    made = sampled(Settings(engine="fake", sample_share=0.5, sample_folder=str(tmp_path)), given)
    assert isinstance(made, Sampling)
