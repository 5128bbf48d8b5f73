"""The entry point of Hugging Face's toolkit: its requests and the responses."""

import base64
import io
import json
import runpy
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import endpoint.wiring
from endpoint.errors import DeadlineExceeded, EngineFailed, InvalidAudio, InvalidRequest, TooLarge
from endpoint.huggingface import Parameters, read_inputs
from endpoint.options import Task
from endpoint.types import SAMPLE_RATE
from handler import EndpointHandler

ROOT = Path(__file__).parent.parent


def wav(seconds: float = 2.0) -> bytes:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(2 * np.pi * 220 * times)).astype("<i2").tobytes())
    return buffer.getvalue()


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGINE", "fake")
        patch.setenv("DECODE_WORKERS", "1")
        patch.setenv("MAX_UPLOAD_MB", "1")
        patch.setenv("VAD_FILTER", "false")  # a tone is not speech
        yield patch


@pytest.fixture(scope="module")
def handler() -> Iterator[EndpointHandler]:
    made = EndpointHandler()
    yield made
    made.close()


def test_bytes_give_text(handler: EndpointHandler) -> None:
    response = handler({"inputs": wav()})
    assert set(response) == {"text", "language"}
    assert response["text"]


def test_the_response_is_json(handler: EndpointHandler) -> None:
    response = handler({"inputs": wav(), "parameters": {"return_timestamps": True}})
    assert json.loads(json.dumps(response)) == response


@pytest.mark.parametrize("prefix", ["", "data:audio/wav;base64,"])
def test_base64_is_the_same_as_bytes(handler: EndpointHandler, prefix: str) -> None:
    text = prefix + base64.encodebytes(wav()).decode()
    assert handler({"inputs": text}) == handler({"inputs": wav()})


def test_timestamps_are_seconds(handler: EndpointHandler) -> None:
    response = handler({"inputs": wav(3), "parameters": {"return_timestamps": True}})
    assert "".join(chunk["text"] for chunk in response["chunks"]).strip() == response["text"]
    assert response["chunks"][0]["timestamp"] == [0.0, 3.0]


def test_query_parameters_arrive_as_text(handler: EndpointHandler) -> None:
    response = handler({"inputs": wav(), "parameters": {"language": "French", "temperature": "0.2"}})
    assert response["language"] == "fr"


@pytest.mark.parametrize("nested", ["generate_kwargs", "generation_parameters"])
def test_what_clients_of_hugging_face_nest_is_found(nested: str) -> None:
    options = Parameters.of({nested: {"language": "de", "task": "translate"}, "return_timestamps": "word"}).options()
    assert (options.language, options.task, options.words) == ("de", Task.TRANSLATE, True)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"language": "klingon"}, "language"),
        ({"task": "sing"}, "task"),
        ({"temperature": 2}, "temperature"),
        ({"return_timestamps": "sometimes"}, "return_timestamps"),
        ({"num_beams": 11}, "beam_size"),
        ({"early_stopping": True}, "early_stopping"),
        ({"generate_kwargs": [1]}, "generate_kwargs"),
        ([1], "parameters"),
    ],
)
def test_a_wrong_parameter_is_named(handler: EndpointHandler, parameters: object, named: str) -> None:
    with pytest.raises(InvalidRequest) as failure:
        handler({"inputs": wav(), "parameters": parameters})
    assert failure.value.param == named
    assert named in str(failure.value)


@pytest.mark.parametrize("data", [{}, {"inputs": None}, {"inputs": {"array": [0]}}, {"inputs": "no base64!"}, []])
def test_inputs_that_hold_no_file(data: object) -> None:
    with pytest.raises(InvalidRequest, match="`inputs`"):
        read_inputs(data)


def test_no_audio(handler: EndpointHandler) -> None:
    with pytest.raises(InvalidAudio):
        handler({"inputs": b"not audio"})


def test_too_large(handler: EndpointHandler) -> None:
    with pytest.raises(TooLarge, match="1 MiB"):
        handler({"inputs": bytes(2**20 + 1)})


def test_a_request_has_a_deadline(environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUEST_TIMEOUT_SECONDS", "0.001")
    handler = EndpointHandler()
    try:
        with pytest.raises(DeadlineExceeded):
            handler({"inputs": wav(20)})
    finally:
        handler.close()


def test_the_path_is_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(settings: object) -> None:
        asked.append(settings)
        raise EngineFailed("no model here")

    monkeypatch.setattr("handler.build_pipeline", refuse)
    with pytest.raises(EngineFailed):
        EndpointHandler("/opt/model")
    assert asked[0].model_id == "/opt/model"


def test_the_path_comes_before_the_models_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", "a=x/y,b=demo")
    monkeypatch.setenv("DEFAULT_MODEL", "b")
    handler = EndpointHandler()
    handler.close()
    assert handler._pipeline.info.model == "b"
    monkeypatch.delenv("DEFAULT_MODEL")
    handler = EndpointHandler("/opt/model")
    handler.close()
    assert handler._pipeline.info.model == "/opt/model"


def test_a_model_that_does_not_load_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = endpoint.wiring.Pipeline
    closed = []

    async def fail(self: object) -> None:
        raise EngineFailed("out of memory")

    async def close(self: object) -> None:
        closed.append(self)

    monkeypatch.setattr(pipeline, "start", fail)
    monkeypatch.setattr(pipeline, "close", close)
    with pytest.raises(EngineFailed, match="out of memory"):
        EndpointHandler()
    assert closed


def test_a_second_close_does_nothing() -> None:
    handler = EndpointHandler()
    handler.close()
    handler.close()


def test_a_process_that_forgets_to_close_ends() -> None:
    program = f"from handler import EndpointHandler; print(EndpointHandler()({{'inputs': {wav(1)!r}}})['language'])"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "en\n", "")


def test_run_as_a_program_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("endpoint.__main__.main", lambda arguments: seen.append(arguments) or 3)
    monkeypatch.setattr(sys, "argv", ["handler.py", "--port", "0"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "handler.py"), run_name="__main__")
    assert seen == [["serve", "--port", "0"]]
    assert ended.value.code == 3
