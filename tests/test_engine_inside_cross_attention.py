"""Attention of a decoded window: against transformers' own attention, kept encoder outputs, the median, the warping."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.config import TEST_MODEL
from endpoint.engine.checkpoint import alignment_heads

pytest.importorskip("numba", reason="the base build has no engine")
from endpoint.engine.attention import KEEP, Attention, Call, Request
from endpoint.engine.inside import cross_attention
from endpoint.engine.inside.cross_attention import (
    MEDIAN_WIDTH,
    AlignExtension,
    follow,
    median_filter,
)
from endpoint.engine.inside.cross_cache import Kept
from endpoint.engine.inside.log_mel import LogMel
from endpoint.engine.time_warping import first_frames

# ---- the median --------------------------------------------------------------------------------------


def test_the_network_finds_the_median_of_every_order():
    """By the 0-1 principle, a network of comparisons that is right on all rows of 0 and 1 is right on all rows."""
    rows = torch.tensor(list(itertools.product((0.0, 1.0), repeat=7)))
    assert torch.equal(median_filter(rows)[:, 3], rows.median(-1).values)


@pytest.mark.parametrize("size", [4, 5, 7, 8, 40])
def test_the_median_is_of_seven_neighbours_mirrored_at_the_edges(size: int):
    values = torch.randn(2, 3, size, generator=torch.Generator().manual_seed(size))
    padded = np.pad(values.numpy(), ((0, 0), (0, 0), (3, 3)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_WIDTH, axis=-1)
    np.testing.assert_array_equal(median_filter(values).numpy(), np.median(windows, axis=-1))


def test_what_is_shorter_than_the_filter_reaches_stays():
    values = torch.randn(2, 3)
    assert torch.equal(median_filter(values), values)


# ---- the warping -------------------------------------------------------------------------------------


def slow_first_frames(gain: np.ndarray) -> list[int]:
    """First frame of each token on the best path, by trying every path's steps from the end: the definition."""
    n, m = gain.shape
    best = {(0, 0): (0.0, None)}
    for i, j in itertools.product(range(n + 1), range(m + 1)):
        if i and j:
            ways = [(best[at][0], k, at) for k, at in enumerate([(i, j - 1), (i - 1, j - 1), (i - 1, j)]) if at in best]
            cost, _, at = min(ways, key=lambda way: way[0])
            best[i, j] = (cost - gain[i - 1, j - 1], at)
    first, at = [0] * n, (n, m)
    while at is not None and at != (0, 0):
        first[at[0] - 1] = at[1] - 1
        at = best[at][1]
    return first


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**31))
def test_the_warping_is_the_best_path(tokens: int, frames: int, seed: int):
    gain = np.random.default_rng(seed).normal(size=(tokens, frames)).astype(np.float32)
    assert first_frames(gain).tolist() == slow_first_frames(gain.astype(np.float64))


def test_the_warping_follows_a_clear_diagonal():
    gain = np.full((3, 30), -1, np.float32)
    for token, (start, end) in enumerate(((0, 12), (12, 17), (17, 30))):
        gain[token, start:end] = 1
    assert first_frames(gain).tolist() == [0, 12, 17]


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 5), (40, 7)])
def test_the_warping_ends_whatever_the_shape_and_without_any_hint(shape: tuple[int, int]):
    first = first_frames(np.zeros(shape, np.float32))
    assert len(first) == shape[0]
    assert (np.diff(first) >= 0).all()
    assert 0 <= first[0] <= first[-1] < shape[1]


# ---- following the words -----------------------------------------------------------------------------


def test_following_is_the_reference_formula():
    scores = torch.randn(2, 9, 50, generator=torch.Generator().manual_seed(1)) * 4
    request = Request("k", list(range(8)), first=3, frames=40)
    found = follow(scores, request).numpy()
    kept = scores[:, :8, :40].double().numpy()
    weights = np.exp(kept) / np.exp(kept).sum(-1, keepdims=True)
    weights = (weights - weights.mean(1, keepdims=True)) / weights.std(1, keepdims=True)
    padded = np.pad(weights, ((0, 0), (0, 0), (3, 3)), mode="reflect")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 7, axis=-1), axis=-1).sum(0)
    # Row 2 predicts the first text token; the row of <|endoftext|> itself predicts nothing.
    assert found.shape == (5, 40)
    np.testing.assert_allclose(found, smooth[2:7], atol=1e-3)


def test_a_frame_that_no_token_looks_at_spoils_nothing():
    scores = torch.zeros(1, 6, 20)
    scores[..., 10:] = -500.0  # softmax gives exactly 0
    assert torch.isfinite(follow(scores, Request("k", list(range(6)), first=2, frames=20))).all()
    assert torch.isfinite(follow(scores, Request("k", list(range(6)), first=2, frames=1))).all()


# ---- the extension, on layers with the interface of vLLM's -------------------------------------------


class Both(torch.nn.Module):
    """Several linear layers as the one that vLLM makes of them."""

    def __init__(self, *parts: torch.nn.Linear) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.cat([part(x) for part in self.parts], -1), None


def as_vllm(layer: torch.nn.Module, heads: int) -> SimpleNamespace:
    own, cross = layer.self_attn, layer.encoder_attn
    return SimpleNamespace(
        self_attn_layer_norm=layer.self_attn_layer_norm,
        self_attn=SimpleNamespace(
            num_heads=heads, qkv_proj=Both(own.q_proj, own.k_proj, own.v_proj), out_proj=Both(own.out_proj)
        ),
        encoder_attn_layer_norm=layer.encoder_attn_layer_norm,
        encoder_attn=SimpleNamespace(
            num_heads=heads,
            scaling=cross.head_dim**-0.5,
            q_proj=Both(cross.q_proj),
            kv_proj=Both(cross.k_proj, cross.v_proj),
            out_proj=Both(cross.out_proj),
        ),
        mlp=lambda x: layer.fc2(layer.activation_fn(layer.fc1(x))),
        final_layer_norm=layer.final_layer_norm,
    )


@pytest.fixture(scope="module")
def whisper():
    from transformers import WhisperForConditionalGeneration

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # threads of several test runs on a small machine wait for each other
    yield WhisperForConditionalGeneration.from_pretrained(
        TEST_MODEL, attn_implementation="eager", dtype=torch.float32
    ).eval()
    torch.set_num_threads(before)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    made = Kept()
    monkeypatch.setattr(cross_attention, "kept", made)
    return made


@pytest.fixture
def worker(whisper, kept: Kept) -> AlignExtension:
    """The extension in a worker whose model is transformers', dressed as vLLM's; keeps two windows."""
    inner = whisper.model
    heads = whisper.config.decoder_attention_heads
    decoder = SimpleNamespace(
        embed_tokens=inner.decoder.embed_tokens,
        embed_positions=lambda positions: inner.decoder.embed_positions.weight[positions],
        layers=[as_vllm(layer, heads) for layer in inner.decoder.layers],
    )
    log_mel = LogMel(whisper.config.num_mel_bins)
    model = SimpleNamespace(
        model=SimpleNamespace(decoder=decoder),
        encode=lambda samples: inner.encoder(log_mel(samples)).last_hidden_state,
        parameters=whisper.parameters,
    )
    extension = AlignExtension()
    extension.model_runner = SimpleNamespace(get_model=lambda: model)
    extension.whisper_keep(2)
    return extension


def test_the_first_process_says_how_much_is_kept(worker: AlignExtension, kept: Kept) -> None:
    worker.whisper_keep(5)
    assert kept.most == 2


def sound(seed: int, seconds: float = 4.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2_000, int(seconds * 16_000)).astype(np.int16)


def ask(worker: AlignExtension, requests: list[Request], heads: list[tuple[int, int]]) -> list[Attention]:
    response = worker.whisper_attend(msgspec.msgpack.encode(Call(heads, requests)))
    return msgspec.msgpack.decode(response, type=list[Attention])


def mel_of(samples: np.ndarray) -> torch.Tensor:
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor.from_pretrained(TEST_MODEL)
    return extractor(samples.astype(np.float32) / 32768, sampling_rate=16_000, return_tensors="pt").input_features


@torch.inference_mode()
def test_windows_together_have_the_attention_that_transformers_gives_each(
    whisper, worker: AlignExtension, monkeypatch: pytest.MonkeyPatch
):
    """Three windows of different lengths, in two passes; heads of several layers."""
    monkeypatch.setattr(cross_attention, "TOGETHER", 2)
    heads = [(0, 1), (2, 0), (3, 0), (3, 1)]
    requests, expected = list[Request](), list[torch.Tensor]()
    for k in range(3):
        ids = [1070, 1071, 1169, 1173, *(30 + k * 7 + n for n in range(3 + 2 * k)), 1069]
        samples = sound(k)
        request = Request(f"{KEEP}{k}", ids, first=4, frames=150 + 10 * k, samples=samples.tobytes())
        requests.append(request)
        out = whisper(input_features=mel_of(samples), decoder_input_ids=torch.tensor([ids]), output_attentions=True)
        # transformers gives weights; their logarithm is the logits up to a constant, which softmax drops.
        scores = torch.stack([out.cross_attentions[layer][0, head] for layer, head in heads]).log()
        expected.append(follow(scores, request) / len(heads))
    for found, wanted in zip(ask(worker, requests, heads), expected, strict=True):
        np.testing.assert_allclose(found.matrix(), wanted.numpy(), atol=2e-3)


@torch.inference_mode()
def test_what_was_kept_is_used_once_and_gives_the_same(whisper, worker: AlignExtension, kept: Kept):
    samples = sound(3)
    kept.put(f"{KEEP}7", whisper.model.encoder(mel_of(samples)).last_hidden_state[0])
    request = Request(f"{KEEP}7", [1070, 1071, 1169, 1173, 40, 41, 1069], first=4, frames=200)
    (first,) = ask(worker, [request], [(2, 0)])
    (gone,) = ask(worker, [request], [(2, 0)])
    (again,) = ask(worker, [msgspec.structs.replace(request, samples=samples.tobytes())], [(2, 0)])
    assert gone.rows == 0
    np.testing.assert_allclose(first.matrix(), again.matrix(), atol=1e-4)


@torch.inference_mode()
def test_windows_of_different_encoder_lengths_come_in_one_call(whisper, worker: AlignExtension, kept: Kept):
    ids = [1070, 1071, 1169, 1173, 40, 41, 1069]
    requests = [Request(f"{KEEP}{k}", ids, first=4, frames=200) for k in range(2)]

    def keep() -> None:
        for request, size in zip(requests, (1_500, 500), strict=True):
            kept.put(request.key, whisper.model.encoder(mel_of(sound(4))).last_hidden_state[0][:size])

    keep()
    together = ask(worker, requests, [(2, 0)])
    keep()
    for found, request in zip(together, requests, strict=True):
        (alone,) = ask(worker, [request], [(2, 0)])
        np.testing.assert_allclose(found.matrix(), alone.matrix(), atol=1e-4)


# ---- which heads -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([[1, 1], [2, 0]], [(1, 1), (2, 0)]),
        (None, [(2, 0), (2, 1), (3, 0), (3, 1)]),  # the reference's default: all of the deeper half
        ([[3, 1], [27, 15]], [(3, 1)]),  # a distilled model with its teacher's list
        ([[27, 15]], [(2, 0), (2, 1), (3, 0), (3, 1)]),
    ],
)
def test_alignment_heads(tmp_path: Path, named: list[list[int]] | None, expected: list[tuple[int, int]]):
    (tmp_path / "config.json").write_text(json.dumps({"decoder_layers": 4, "decoder_attention_heads": 2}))
    (tmp_path / "generation_config.json").write_text(json.dumps({"alignment_heads": named} if named else {}))
    assert alignment_heads(tmp_path) == expected
