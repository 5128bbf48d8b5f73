"""The seam between the core and the ways into it: endpoint.core.transcriber."""

from __future__ import annotations

import pytest

from endpoint.call import Call
from endpoint.core.transcriber import collect, transcribe
from endpoint.errors import EngineFailed, InvalidAudio
from endpoint.options import Options
from tests.api_support import AUDIO, REFUSED, TRANSCRIPT, StandIn


async def test_the_transcript_is_the_last_step() -> None:
    core, call = StandIn(), Call()
    assert await collect(core.segments(AUDIO, Options(), call)) == TRANSCRIPT
    assert await transcribe(core, AUDIO, Options()) == TRANSCRIPT
    assert call.record.audio_seconds == TRANSCRIPT.duration_ms / 1000


@pytest.mark.parametrize(("data", "failure"), [(REFUSED, InvalidAudio), (AUDIO, EngineFailed)])
async def test_a_failure_is_raised(data: bytes, failure: type[Exception]) -> None:
    core = StandIn()
    core.failure = EngineFailed("gone")
    with pytest.raises(failure):
        await transcribe(core, data, Options())
    assert core.running == 0
