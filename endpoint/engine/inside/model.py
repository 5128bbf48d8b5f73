"""Whisper for vLLM that takes samples: a model class of our own, and the request that feeds it.

vLLM's own takes log-mel features, which its processor makes in the API's process, one window after the other. Here the
API sends int16 samples, and the spectrogram is part of the model: on its device, for a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import BatchFeature
from vllm import ModelRegistry
from vllm.inputs.engine import mm_input, tokens_input
from vllm.model_executor.models.whisper import (
    WhisperDummyInputsBuilder,
    WhisperForConditionalGeneration,
    WhisperMultiModalProcessor,
    WhisperProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.inputs import (
    MultiModalFieldConfig,
    MultiModalFieldElem,
    MultiModalKwargsItem,
    MultiModalKwargsItems,
    PlaceholderRange,
)

from endpoint.engine.inside import encode_ahead
from endpoint.engine.inside.cross_attention import AlignExtension
from endpoint.engine.inside.encoder_attention import EncoderAttention, is_worth_it
from endpoint.engine.inside.log_mel import LogMel
from endpoint.engine.prompt import ENCODER_TOKENS
from endpoint.types import PCM_FULL_SCALE, Samples

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.inputs import EngineInput
    from vllm.multimodal.parse import MultiModalDataItems

ARCHITECTURE = "WhisperFromSamples"
MEL_FRAMES = 2  # of the spectrogram, to one of the encoder
_FIELD = MultiModalFieldConfig.batched("audio")  # how vLLM batches the samples of windows


def samples_input(prompt: list[int], samples: Samples, key: str, frames: int = ENCODER_TOKENS) -> EngineInput:
    """What vLLM's renderer would make of a window, without it: decoder prompt ids, int16 [n], and the audio's uuid.

    frames: of the encoder's output, at least as many as hold the samples. Nothing is computed and nothing copied;
    `samples` must stay as they are until the request has ended.
    """
    # from_dlpack, because from_numpy warns of arrays that may not be written to.
    sound = MultiModalFieldElem(data=torch.utils.dlpack.from_dlpack(samples), field=_FIELD.field)
    item = MultiModalKwargsItem({"samples": sound})
    audio = mm_input(
        prompt_token_ids=prompt,
        mm_kwargs=MultiModalKwargsItems({"audio": [item]}),
        mm_hashes={"audio": [key]},
        mm_placeholders={"audio": [PlaceholderRange(offset=0, length=frames)]},
    )
    return {"type": "enc_dec", "encoder_prompt": tokens_input([0]), "decoder_prompt": audio}


class SamplesProcessor(WhisperMultiModalProcessor):
    """Audio to the model's arguments, for vLLM's own start-up."""

    def _apply_hf_processor_main(
        self, *, mm_items: MultiModalDataItems, prompt: list[int] | None = None, **_: object
    ) -> BatchFeature | tuple[list[int], BatchFeature, bool]:
        """vLLM 0.26 also hands the prompt over, and wants it back with whether it was changed."""
        features = BatchFeature({"samples": [_integers(sound) for sound in mm_items["audio"].get_all()]})
        return features if prompt is None else (prompt, features, False)

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        return {"samples": _FIELD}


def _integers(sound: np.ndarray) -> Tensor:
    """float32 [n] in -1..1 to int16 [n]."""
    limits = np.iinfo(np.int16)
    return torch.from_numpy(np.clip(np.rint(sound * PCM_FULL_SCALE), limits.min, limits.max).astype(np.int16))


@MULTIMODAL_REGISTRY.register_processor(
    SamplesProcessor, info=WhisperProcessingInfo, dummy_inputs=WhisperDummyInputsBuilder
)
class WhisperFromSamples(WhisperForConditionalGeneration):
    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        weight = self.model.encoder.conv1.weight
        self._log_mel = LogMel(self.config.num_mel_bins, weight.device)
        if weight.device.type == "cpu":
            self._encode_in_threads()
        else:
            self._decode_by_our_kernel()
        encode_ahead.offer(self)

    def _decode_by_our_kernel(self) -> None:
        from endpoint.engine.inside import cross_decode  # Triton is there where a GPU is

        cross_decode.install([layer.encoder_attn.attn for layer in self.model.decoder.layers])

    def _encode_in_threads(self) -> None:
        for module in self.model.encoder.modules():
            # vLLM's own products write to memory that all threads share; with this, torch's are used.
            module._cpu_skip_gemm_dispatch = True
        if is_worth_it(self.dtype):
            for layer in self.model.encoder.layers:
                attention = layer.self_attn
                attention.attn = EncoderAttention(attention.num_heads, attention.scaling)

    def encode(self, samples: Tensor, frames: int = ENCODER_TOKENS) -> Tensor:
        """int16 [b, n] -> the encoder's output [b, frames, width]."""
        features = self._log_mel(samples)[..., : MEL_FRAMES * frames].to(self.dtype)
        output: Tensor = self.model.get_encoder_outputs([features])  # a list of one batch, not of windows
        return output

    def embed_multimodal(self, samples: Tensor | Sequence[Tensor], **_: object) -> Sequence[Tensor]:
        """int16 [b, n], or b of [n] -> b of [ENCODER_TOKENS, width]. vLLM measures its memory with it at start-up."""
        return list(self.encode(pad_sequence(list(samples), batch_first=True)))


def register() -> None:
    """Register the model with vLLM in this process. Also an entry point of vllm.general_plugins."""
    ModelRegistry.register_model(ARCHITECTURE, WhisperFromSamples)


class WorkerExtension(AlignExtension):
    """The worker's extension. The engine's process imports this module for it, which also registers the model."""


register()
