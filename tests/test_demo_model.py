"""How the test model is made: vocabulary, tokens, training windows, and the network against transformers'."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration

from demo_model.alignment import warp
from demo_model.card import write_card
from demo_model.export import export
from demo_model.network import Network, Shape
from demo_model.speech import SAMPLE_RATE, Utterance
from demo_model.tokenizer import Ids
from demo_model.train import STAGES, LogMel, collate, rate_at, span_loss
from demo_model.vocabulary import LANGUAGES, ROWS, WORDS, random_phrase, translate
from demo_model.windows import IGNORE, WindowMaker, corrupt, frame_span, random_offset
from endpoint.engine.tokens import WhisperTokens


@pytest.fixture(scope="module")
def ids() -> Ids:
    return Ids.build()


@pytest.fixture(scope="module")
def maker(ids: Ids) -> WindowMaker:
    """Windows of made-up sounds in place of speech: 0.3 s a word."""
    rng, phrases = random.Random(1), {}
    for code in LANGUAGES:
        phrases[code] = []
        for _ in range(20):
            words = random_phrase(rng, code)
            length = int(0.3 * SAMPLE_RATE) * len(words)
            sound = np.full(length, 3000, np.int16)
            phrases[code].append(Utterance(code, tuple(words), sound, tuple(0.3 * k for k in range(len(words)))))
    return WindowMaker(phrases, ids, seed=2)


def test_words_translate_one_to_one() -> None:
    assert len(ROWS) >= 60
    for code in LANGUAGES:
        assert len(set(WORDS[code])) == len(ROWS)
    assert translate(["sieben", "zucker"], "de") == ["seven", "sugar"]


def test_tokens_stand_in_whispers_order(ids: Ids) -> None:
    assert ids.eot + 1 == ids.sot
    assert list(ids.languages.values()) == list(range(ids.sot + 1, ids.sot + 101))
    assert (ids.translate, ids.transcribe) == (ids.sot + 101, ids.sot + 102)
    assert ids.no_timestamps + 1 == ids.first_time
    assert ids.time(0) == ids.first_time
    assert ids.time(30) == ids.size - 1


def test_windows_say_what_is_in_them(maker: WindowMaker, ids: Ids) -> None:
    rng = random.Random(3)
    for _ in range(60):
        seconds = rng.choice((4, 8, 30))
        offset = random_offset(rng, seconds)
        example = maker.example(rng, seconds, offset, prompt_words=rng.choice((0, 5)))
        assert len(example.samples) == seconds * SAMPLE_RATE
        assert len(example.tokens) == len(example.targets) == len(example.here) == len(example.next)
        assert example.targets[-1] == ids.eot
        times = [t for t in example.targets if t >= ids.first_time]
        assert times == sorted(times)
        learned = [t for t in example.targets if t != IGNORE]
        assert learned[0] in (*ids.languages.values(), ids.no_speech)
        assert all(t < ids.size for t in corrupt(rng, example, ids, 0.5))
    assert frame_span((0.0, 0.1), 100) == (0, 5)
    assert frame_span(None, 100) == (0, 0)


def test_the_network_is_transformers_whisper(ids: Ids, maker: WindowMaker, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Network(Shape(ids.size, ids.eot, width=128, encoder_layers=2, decoder_layers=4, feed_forward=128)).eval()
    export(network, ids, tmp_path)
    reference = WhisperForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32).eval()
    network.load_state_dict(_rounded(network))
    mel, tokens = torch.randn(2, 80, 3000), torch.randint(0, ids.size, (2, 9))
    with torch.inference_mode():
        ours, _ = network.decoder(tokens, network.encoder(mel, 0))
        theirs = reference(input_features=mel, decoder_input_ids=tokens).logits
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)
    codec = WhisperTokens.load(tmp_path)
    assert codec.decode(codec.encode(" hello été")) == " hello été"
    assert codec.languages == ids.languages
    examples = [maker.example(random.Random(k), 4, 0, 0) for k in range(3)]
    batch = collate(examples, [e.tokens for e in examples], ids, 0)
    source = network.encoder(LogMel(80)(batch.sound), 0)
    _, logs = network.decoder(batch.tokens, source)
    assert all(torch.isfinite(span_loss(logs[head], batch.next)) for head in network.shape.next)


def _rounded(network: Network) -> dict[str, torch.Tensor]:
    """What float16 leaves of the weights; the timestamp map is not rounded in the file, its result is."""
    return {
        name: value if "time_map" in name else value.to(torch.float16).float()
        for name, value in network.state_dict().items()
    }


def test_the_schedule_ends_on_long_windows() -> None:
    shares = [until for until, _ in STAGES]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert 30 in STAGES[-1][1]
    assert rate_at(0, 1000) < rate_at(300, 1000) == 1.0 > rate_at(900, 1000) > 0


def test_warping_takes_the_cheapest_monotonic_path() -> None:
    cost = -np.kron(np.eye(3), np.ones((1, 4)))
    path = warp(cost)
    assert [path[1][path[0] == row].max() for row in range(3)] == [3, 7, 11]


def test_the_card_says_which_figures_fall_short(tmp_path: Path) -> None:
    figures = dict.fromkeys(json.loads((Path("endpoint/demo/model/figures.json")).read_text()), 0.0)
    table = write_card(tmp_path, figures, 7)
    assert "| language detected right | 0.0% | at least 98.0% | **no** |" in table
    assert "7 fresh random phrases" in (tmp_path / "README.md").read_text()
