"""A folder that loads as a Whisper checkpoint and holds no weights: the published shapes, filler for a vocabulary.

vLLM fills the weights with random numbers (load_format=dummy). The tokenizer has Whisper's special tokens at the ids of
large-v3: 50,257 tokens of text, of which all but the 256 bytes are filler, <|endoftext|>, 100 languages and so on.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from benchmarks.gpu.lines import LARGE, TURBO
from demo_model.tokenizer import PRECISION, SPECIAL, TIMESTAMPS, prefix_processor, write_slow_files

TEXT_TOKENS, VOCABULARY = 50_257, 51_866
DECODER_LAYERS = {LARGE: 32, TURBO: 4}
SPACE = "Ġ"  # how byte-level BPE writes it


def build(model: str, folder: Path, layers: int | None = None) -> Path:
    """Write the folder. layers: of a tiny model with the same vocabulary and mel bins; None: the published shape."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    _write_tokenizer(tokenizer, folder)
    ids = tokenizer.token_to_id
    end, start, space = ids("<|endoftext|>"), ids("<|startoftranscript|>"), ids(SPACE)
    common = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    config = {**shape(model, layers), **common, "begin_suppress_tokens": [space, end]}
    generation = {
        **common,
        "begin_suppress_tokens": [space, end],
        "suppress_tokens": [],
        "is_multilingual": True,
        "no_timestamps_token_id": ids("<|notimestamps|>"),
        "prev_sot_token_id": ids("<|startofprev|>"),
        "max_length": 448,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1))
    _write_rest(folder)
    return folder


def shape(model: str, layers: int | None) -> dict[str, Any]:
    """config.json of openai/whisper-large-v3 and -turbo, or a tiny model of so many layers."""
    tiny = layers is not None
    width, heads = (64, 1) if tiny else (1280, 20)
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "activation_function": "gelu",
        "is_encoder_decoder": True,
        "vocab_size": VOCABULARY,
        "num_mel_bins": 128,
        "d_model": width,
        "encoder_layers": layers or 32,
        "decoder_layers": layers or DECODER_LAYERS[model],
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "scale_embedding": False,
        "tie_word_embeddings": True,
        "torch_dtype": "float16",
    }


def build_tokenizer() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{SPACE}w{number:05}" for number in range(TEXT_TOKENS - len(letters)))]
    tokenizer = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    times = [f"<|{number * PRECISION:.2f}|>" for number in range(TIMESTAMPS)]
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in times])
    ids = tokenizer.token_to_id
    tokenizer.post_processor = prefix_processor(
        SimpleNamespace(  # type: ignore[arg-type]
            sot=ids("<|startoftranscript|>"), no_timestamps=ids("<|notimestamps|>"), eot=ids("<|endoftext|>")
        )
    )
    return tokenizer


def _write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    from transformers import WhisperTokenizerFast

    end = SPECIAL[0]
    named = {"bos_token": end, "eos_token": end, "unk_token": end, "pad_token": end}
    WhisperTokenizerFast(
        tokenizer_object=tokenizer, **named, additional_special_tokens=list(SPECIAL), model_max_length=448
    ).save_pretrained(folder)
    write_slow_files(tokenizer, folder)


def _write_rest(folder: Path) -> None:
    from safetensors.numpy import save_file
    from transformers import WhisperFeatureExtractor

    WhisperFeatureExtractor(feature_size=128).save_pretrained(folder)
    save_file({}, folder / "model.safetensors", metadata={"format": "pt"})  # has to be there, and is never read
