"""Word ends by plain dynamic time warping over the cross-attention of the checkpoint's alignment heads.

No smoothing, no snapping: what the attention itself says, teacher-forced on the right words.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from demo_model.speech import SAMPLE_RATE, Utterance
from demo_model.tokenizer import PRECISION, Ids


def warp(cost: np.ndarray) -> np.ndarray:
    """Cheapest monotonic path through cost [n, m]; int [2, k] of row and column indices, from start to end."""
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    step = np.zeros((n + 1, m + 1), np.int8)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            choices = (total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
            step[i, j] = k = int(np.argmin(choices))
            total[i, j] = cost[i - 1, j - 1] + choices[k]
    i, j, path = n, m, []
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        k = step[i, j]
        i, j = i - (k != 2), j - (k != 1)
    return np.array(path[::-1]).T


@torch.inference_mode()
def word_end_errors(folder: Path, utterances: list[Utterance]) -> list[float]:
    """|error| in seconds of every word's end, the last of a phrase included."""
    model = WhisperForConditionalGeneration.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    features, ids = WhisperFeatureExtractor.from_pretrained(folder), Ids.build()
    heads = model.generation_config.alignment_heads
    errors: list[float] = []
    for utterance in utterances:
        sound = np.concatenate([utterance.samples, np.zeros(SAMPLE_RATE // 2, np.int16)]).astype(np.float32) / 32768
        mel = features(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        prefix = [ids.sot, ids.languages[utterance.language], ids.transcribe, ids.no_timestamps]
        words = [ids.words[word] for word in utterance.words]
        out = model(
            input_features=mel, decoder_input_ids=torch.tensor([[*prefix, *words, ids.eot]]), output_attentions=True
        )
        frames = int(len(sound) / SAMPLE_RATE / PRECISION)
        attention = torch.stack([out.cross_attentions[layer][0, head] for layer, head in heads]).mean(0)
        # Row t belongs to the token predicted at t: from the last prefix token to the last word, then the end.
        path = warp(-attention[len(prefix) - 1 : -1, :frames].numpy())
        ends = [path[1][path[0] == k].max() + 1 for k in range(len(words))]
        errors += [abs(end * PRECISION - true) for end, (_, true) in zip(ends, utterance.spans, strict=True)]
    return errors
