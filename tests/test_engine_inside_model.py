"""Samples on their way into the model; the model itself is run in test_live_model.py."""

from __future__ import annotations

import mmap
from types import SimpleNamespace

import numpy as np
import pytest

from endpoint.types import PCM_FULL_SCALE, SAMPLE_RATE

pytest.importorskip("vllm", reason="the base build has no vLLM")
import torch
from vllm import ModelRegistry
from vllm.inputs.engine import split_enc_dec_input
from vllm.multimodal.inputs import MultiModalKwargsItems
from vllm.multimodal.parse import MultiModalDataParser
from vllm.multimodal.utils import group_and_batch_mm_items

from endpoint.engine.inside.cross_attention import AlignExtension
from endpoint.engine.inside.log_mel import LogMel
from endpoint.engine.inside.model import (
    ARCHITECTURE,
    SamplesProcessor,
    WhisperFromSamples,
    WorkerExtension,
    samples_input,
)
from endpoint.engine.prompt import ENCODER_TOKENS


def test_a_request_is_made_without_touching_the_samples() -> None:
    pages = mmap.mmap(-1, 32_000, prot=mmap.PROT_READ)  # as those of a decoding process are
    samples = np.frombuffer(pages, np.int16)[100:1_100]
    encoder, decoder = split_enc_dec_input(samples_input([7, 8], samples, "words-3"))
    assert encoder is not None
    assert encoder["type"] == "token"
    assert decoder["prompt_token_ids"] == [7, 8]
    assert decoder["mm_hashes"] == {"audio": ["words-3"]}
    (place,) = decoder["mm_placeholders"]["audio"]
    assert (place.offset, place.length) == (0, ENCODER_TOKENS)
    data = decoder["mm_kwargs"]["audio"][0]["samples"].data
    assert (data.dtype, data.shape) == (torch.int16, (1_000,))
    assert data.data_ptr() == samples.ctypes.data


def test_the_model_is_known_and_so_is_its_worker() -> None:
    assert ARCHITECTURE in ModelRegistry.get_supported_archs()
    assert issubclass(WorkerExtension, AlignExtension)


def test_vllms_prompts_come_to_the_same() -> None:
    """As its own warm-up does, and requests with audio in vLLM's form."""
    samples = np.array([-PCM_FULL_SCALE, -1, 0, 1, PCM_FULL_SCALE - 1], np.int16)
    loud = np.array([-1.5, 1.5], np.float32)
    items = MultiModalDataParser().parse_mm_data({"audio": [samples.astype(np.float32) / PCM_FULL_SCALE, loud]})
    made = SamplesProcessor._apply_hf_processor_main(SimpleNamespace(), mm_items=items, hf_kwargs={})
    older = SamplesProcessor._apply_hf_processor_main(
        SimpleNamespace(), prompt=[0], mm_items=items, enable_hf_prompt_update=True
    )
    assert (older[0], older[1].keys(), older[2]) == ([0], made.keys(), False)
    assert [sound.tolist() for sound in made["samples"]] == [samples.tolist(), [-PCM_FULL_SCALE, PCM_FULL_SCALE - 1]]
    fields = SamplesProcessor._get_mm_fields_config(SimpleNamespace(), made, {})
    assert len(MultiModalKwargsItems.from_hf_inputs(made, fields)["audio"]) == 2


@pytest.mark.parametrize("seconds", [(2, 2, 2), (1, 3, 2), (3,)])
def test_windows_of_any_length_are_encoded_together(seconds: tuple[int, ...]) -> None:
    """The encoder is pretended: it gives the features back."""
    windows = [np.random.default_rng(k).integers(-900, 900, k * SAMPLE_RATE).astype(np.int16) for k in seconds]
    items = [samples_input([1], window, "k")["decoder_prompt"]["mm_kwargs"]["audio"][0] for window in windows]
    ((count, given),) = group_and_batch_mm_items(items)
    assert count == len(windows)
    log_mel = LogMel(80)
    asked = []

    def encode(batches: list[torch.Tensor]) -> torch.Tensor:
        asked.extend(batch.shape for batch in batches)
        return torch.cat(batches)

    model = SimpleNamespace(_log_mel=log_mel, dtype=torch.float32, model=SimpleNamespace(get_encoder_outputs=encode))
    model.encode = lambda samples: WhisperFromSamples.encode(model, samples)
    outputs = WhisperFromSamples.embed_multimodal(model, **given)
    assert asked == [(len(windows), 80, 3_000)]
    for output, window in zip(outputs, windows, strict=True):
        torch.testing.assert_close(output, log_mel(torch.from_dlpack(window)[None])[0])


def test_windows_of_interim_text_are_encoded_by_their_length() -> None:
    sounds = torch.stack([torch.full((9,), value, dtype=torch.int16) for value in (9, 7)])
    model = SimpleNamespace(
        _log_mel=LogMel(80), dtype=torch.float32, model=SimpleNamespace(get_encoder_outputs=lambda mel: mel[0].mT)
    )
    short, long = (WhisperFromSamples.encode(model, sounds, frames) for frames in (250, ENCODER_TOKENS))
    assert (short.shape, long.shape) == ((2, 2 * 250, 80), (2, 2 * ENCODER_TOKENS, 80))
    torch.testing.assert_close(short, long[:, : 2 * 250])
    assert not torch.equal(short[0], short[1])
