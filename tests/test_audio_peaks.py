import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from endpoint.audio.peaks import peaks_of
from endpoint.codec import decode_transcript, encode_transcript
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, assert_error, client_of

PATH = "/v1/audio/transcriptions"


def test_each_stretch_gives_its_loudest_sample():
    samples = np.array([0, 100, -16384, 3, 32767, -32768, 0, 0], np.int16)
    assert list(peaks_of(samples, 4)) == [1, 128, 255, 0]


def test_every_sample_is_in_one_stretch():
    samples = np.zeros(1009, np.int16)
    for at in range(0, 1009, 7):
        samples[at] = 32767
        assert max(peaks_of(samples, 100)) == 255
        samples[at] = 0
    assert set(peaks_of(samples, 100)) == {0}


@pytest.mark.parametrize(("length", "count", "expected"), [(1, 5, 1), (10, 10, 10), (10, 1, 1)])
def test_there_are_no_more_than_samples(length: int, count: int, expected: int):
    assert len(peaks_of(np.ones(length, np.int16), count)) == expected


async def test_the_api_gives_them_in_verbose_json():
    core = StandIn(replace(TRANSCRIPT, peaks=bytes([0, 128, 255])))
    async with client_of(core) as client:
        fields = {"response_format": "verbose_json", "peaks": "3"}
        body = (await client.post(PATH, files={"file": AUDIO}, data=fields)).json()
        assert list(base64.b64decode(body["peaks"])) == [0, 128, 255]
        assert body["language_probability"] == TRANSCRIPT.language_probability
        assert core.calls[-1][1].peaks == 3
        events = await client.post(PATH, files={"file": AUDIO}, data={**fields, "stream": "true"})
        assert json.loads(events.text.strip().split("data: ")[-1])["peaks"] == body["peaks"]
        wrong = await client.post(PATH, files={"file": AUDIO}, data={"peaks": "3"})
        assert_error(wrong, 400, "invalid_value", "peaks")
        many = await client.post(PATH, files={"file": AUDIO}, data={**fields, "peaks": "200001"})
        assert_error(many, 400, "invalid_value", "peaks")


def test_a_transcript_travels_with_them():
    transcript = replace(TRANSCRIPT, peaks=bytes(range(256)))
    assert decode_transcript(encode_transcript(transcript)) == transcript
