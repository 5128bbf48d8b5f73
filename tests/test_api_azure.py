"""Azure's addresses, with the client that the openai package has for Azure."""

from __future__ import annotations

import pytest
from openai import AsyncAzureOpenAI, AuthenticationError, AzureOpenAI, NotFoundError

from endpoint.options import Task
from tests.api_support import AUDIO, TRANSCRIPT, StandIn, serve

VERSION = "2024-10-21"


def azure(url: str, key: str = "any") -> AzureOpenAI:
    return AzureOpenAI(azure_endpoint=url, api_key=key, api_version=VERSION, max_retries=0)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # translations, in this client
def test_a_deployment_is_a_model():
    core = StandIn()
    with serve(core) as url, azure(url) as client:
        found = client.audio.transcriptions.create(file=("a.wav", AUDIO), model="whisper-1", language="en")
        assert found.text == TRANSCRIPT.text
        assert client.audio.translations.create(file=("a.wav", AUDIO), model="whisper-test").text == TRANSCRIPT.text
        with pytest.raises(NotFoundError) as failure:
            client.audio.transcriptions.create(file=("a.wav", AUDIO), model="other")
    assert failure.value.code == "model_not_found"
    assert [options.task for _, options in core.calls] == [Task.TRANSCRIBE, Task.TRANSLATE]


async def test_its_asynchronous_client():
    with serve(StandIn()) as url:
        async with AsyncAzureOpenAI(azure_endpoint=url, api_key="any", api_version=VERSION) as client:
            text = await client.audio.transcriptions.create(
                file=("a.wav", AUDIO), model="whisper-1", response_format="text"
            )
    assert text.strip() == TRANSCRIPT.text


def test_its_key_comes_in_a_header_of_its_own():
    with serve(StandIn(), api_key="secret") as url:
        with azure(url, "secret") as client:
            assert client.audio.transcriptions.create(file=("a.wav", AUDIO), model="whisper-1").text
        with azure(url, "wrong") as client, pytest.raises(AuthenticationError):
            client.audio.transcriptions.create(file=("a.wav", AUDIO), model="whisper-1")
