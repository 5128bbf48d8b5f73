"""Word times beside openai/whisper's own timing.py, on the same tokens and weights; run in a process of its own.

Prints JSON: the share of word edges within one frame (20 ms), and how many there were. Needs the package openai-whisper
(build/peers, made by `make quality`).
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demo_model.evaluate import Phrases
from demo_model.vocabulary import LANGUAGES
from endpoint.config import load_settings
from endpoint.engine.tokens import WhisperTokens
from endpoint.engine.words import split_words
from endpoint.options import Options, Task
from endpoint.types import TIMESTAMP_MS, Hypothesis, Window

if TYPE_CHECKING:
    from endpoint.engine.client import VllmEngine

WINDOWS = 40
_NAMES = (
    ("model.encoder.", "encoder."),
    ("model.decoder.", "decoder."),
    ("encoder.layers.", "encoder.blocks."),
    ("decoder.layers.", "decoder.blocks."),
    (".self_attn_layer_norm", ".attn_ln"),
    (".self_attn.q_proj", ".attn.query"),
    (".self_attn.k_proj", ".attn.key"),
    (".self_attn.v_proj", ".attn.value"),
    (".self_attn.out_proj", ".attn.out"),
    (".encoder_attn_layer_norm", ".cross_attn_ln"),
    (".encoder_attn.q_proj", ".cross_attn.query"),
    (".encoder_attn.k_proj", ".cross_attn.key"),
    (".encoder_attn.v_proj", ".cross_attn.value"),
    (".encoder_attn.out_proj", ".cross_attn.out"),
    (".final_layer_norm", ".mlp_ln"),
    (".fc1", ".mlp.0"),
    (".fc2", ".mlp.2"),
    ("encoder.layer_norm", "encoder.ln_post"),
    ("decoder.layer_norm", "decoder.ln"),
    ("decoder.embed_tokens", "decoder.token_embedding"),
    ("encoder.embed_positions.weight", "encoder.positional_embedding"),
    ("decoder.embed_positions.weight", "decoder.positional_embedding"),
)


def openai_model(folder: Path) -> Any:
    """The checkpoint as openai/whisper's own class, float32."""
    from safetensors.torch import load_file
    from whisper.model import ModelDimensions, Whisper

    config = json.loads((folder / "config.json").read_text())
    model = Whisper(
        ModelDimensions(
            n_mels=config["num_mel_bins"],
            n_audio_ctx=config["max_source_positions"],
            n_audio_state=config["d_model"],
            n_audio_head=config["encoder_attention_heads"],
            n_audio_layer=config["encoder_layers"],
            n_vocab=config["vocab_size"],
            n_text_ctx=config["max_target_positions"],
            n_text_state=config["d_model"],
            n_text_head=config["decoder_attention_heads"],
            n_text_layer=config["decoder_layers"],
        )
    )
    weights = {}
    for full, value in load_file(str(folder / "model.safetensors")).items():
        name = full
        for old, new in _NAMES:
            name = name.replace(old, new)
        weights[name] = value.float()
    weights.pop("proj_out.weight", None)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected, unexpected
    assert all("mask" in name or "alignment" in name for name in missing), missing
    heads = json.loads((folder / "generation_config.json").read_text())["alignment_heads"]
    dense = torch.zeros(config["decoder_layers"], config["decoder_attention_heads"], dtype=torch.bool)
    for layer, head in heads:
        dense[layer, head] = True
    model.register_buffer("alignment_heads", dense.to_sparse(), persistent=False)
    return model.eval()


class OpenAiTokens:
    """What timing.py asks of a tokenizer, from ours; the splitting is the reference's own code."""

    def __init__(self, tokens: WhisperTokens, language: str) -> None:
        from whisper.tokenizer import Tokenizer

        self._tokens, self.language, self._code = tokens, language, Tokenizer
        self.sot_sequence = (tokens.sot, tokens.languages[language], tokens.transcribe)
        self.no_timestamps, self.eot = tokens.no_timestamps, tokens.eot

    def decode_with_timestamps(self, ids: list[int]) -> str:
        return "".join("" if number >= self.eot else self._tokens.decode([number]) for number in ids)

    def split_to_word_tokens(self, ids: list[int]) -> Any:
        return self._code.split_to_word_tokens(self, ids)

    def split_tokens_on_spaces(self, ids: list[int]) -> Any:
        return self._code.split_tokens_on_spaces(self, ids)

    def split_tokens_on_unicode(self, ids: list[int]) -> Any:
        return self._code.split_tokens_on_unicode(self, ids)


def reference_times(model: Any, tokens: WhisperTokens, hypothesis: Hypothesis) -> list[tuple[int, int]]:
    """(start, end) ms of each word by openai/whisper's find_alignment."""
    from whisper.audio import log_mel_spectrogram, pad_or_trim
    from whisper.timing import find_alignment

    sound = hypothesis.window.samples.astype(np.float32) / 32768
    mel = log_mel_spectrogram(pad_or_trim(sound), model.dims.n_mels)
    text = [token for piece in hypothesis.pieces for token in piece.tokens if token < tokens.eot]
    found = find_alignment(model, OpenAiTokens(tokens, hypothesis.language), text, mel, len(sound) // 160)
    return [(round(word.start * 1000), round(word.end * 1000)) for word in found]


async def our_times(engine: VllmEngine, hypothesis: Hypothesis) -> list[tuple[int, int]]:
    """The same before what this endpoint does beyond the reference."""
    from endpoint.engine.time_warping import first_frames

    aligner, tokens = engine._aligner, engine.tokens
    text = [token for piece in hypothesis.pieces for token in piece.tokens if token < tokens.eot]
    (attention,) = await aligner._call([aligner._request(hypothesis, Task.TRANSCRIBE, text)])
    starts = first_frames(attention.matrix()) * TIMESTAMP_MS
    edges, at = [], 0
    for _, ids in split_words(text, tokens.decode, hypothesis.language):
        edges.append((int(starts[at]), int(starts[at + len(ids)])))
        at += len(ids)
    return edges


async def main(folder: Path) -> None:
    from endpoint.engine.client import VllmEngine  # here: vLLM's own processes import this file, and must not see numba

    engine, phrases = VllmEngine(load_settings(model_id=str(folder), cpu_kv_cache_gib=1)), Phrases(4_242)
    await engine.start()
    model = openai_model(folder)
    near = total = 0
    for k in range(WINDOWS):
        laid = phrases.long(LANGUAGES[k % 4], (5, 12, 20, 28)[k // 4 % 4])
        hypothesis = await engine.decode(Window(0, laid.samples), Options(words=True, language=laid.language))
        ours, theirs = await our_times(engine, hypothesis), reference_times(model, engine.tokens, hypothesis)
        assert len(ours) == len(theirs), (hypothesis.text, len(ours), len(theirs))
        for mine, other in zip(ours, theirs, strict=True):
            near += abs(mine[0] - other[0]) <= TIMESTAMP_MS and abs(mine[1] - other[1]) <= TIMESTAMP_MS
            total += 1
    await engine.close()
    print(json.dumps({"within_a_frame": near / total, "words": total}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
