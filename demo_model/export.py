"""Write the test model as the files of an openai/whisper-* repository."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperTokenizerFast,
)

from demo_model.network import FRAMES, HEAD_SIZE, TARGET_POSITIONS, Network
from demo_model.tokenizer import SPECIAL, Ids, prefix_processor, write_slow_files


def export(network: Network, ids: Ids, folder: Path) -> None:
    """Weights as float16, config, generation_config, tokenizer and preprocessor into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.to(torch.float16) for name, value in network.checkpoint().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _config(network, ids).save_pretrained(folder)
    _generation(network, ids).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=network.shape.mels).save_pretrained(folder)
    tokenizer = ids.tokenizer
    tokenizer.post_processor = prefix_processor(ids)
    WhisperTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL),
        model_max_length=TARGET_POSITIONS,
    ).save_pretrained(folder)
    write_slow_files(tokenizer, folder)


def _config(network: Network, ids: Ids) -> WhisperConfig:
    shape = network.shape
    return WhisperConfig(
        vocab_size=ids.size,
        num_mel_bins=shape.mels,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        d_model=shape.width,
        encoder_attention_heads=shape.width // HEAD_SIZE,
        decoder_attention_heads=shape.width // HEAD_SIZE,
        encoder_ffn_dim=shape.feed_forward,
        decoder_ffn_dim=shape.feed_forward,
        max_source_positions=FRAMES,
        max_target_positions=TARGET_POSITIONS,
        bos_token_id=ids.eot,
        eos_token_id=ids.eot,
        pad_token_id=ids.eot,
        decoder_start_token_id=ids.sot,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        dropout=0.0,
        dtype="float16",
        architectures=["WhisperForConditionalGeneration"],
    )


def _generation(network: Network, ids: Ids) -> GenerationConfig:
    space = ids.tokenizer.token_to_id("Ġ")
    return GenerationConfig(
        alignment_heads=[list(head) for head in network.shape.next],
        begin_suppress_tokens=[space, ids.eot],
        bos_token_id=ids.eot,
        decoder_start_token_id=ids.sot,
        eos_token_id=ids.eot,
        pad_token_id=ids.eot,
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": number for code, number in ids.languages.items()},
        task_to_id={"transcribe": ids.transcribe, "translate": ids.translate},
        max_initial_timestamp_index=50,
        max_length=TARGET_POSITIONS,
        no_timestamps_token_id=ids.no_timestamps,
        prev_sot_token_id=ids.prev,
        return_timestamps=False,
        suppress_tokens=ids.suppressed(),
    )
