"""Options to decoder ids, and generated ids to a hypothesis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint.config import TEST_MODEL
from endpoint.errors import InvalidRequest

pytest.importorskip("tokenizers", reason="the base build has no engine")
from endpoint.engine.prompt import (
    CONTEXT_TOKENS,
    ENCODER_TOKENS,
    MAX_NEW_TOKENS,
    MAX_PROMPT_TOKENS,
    Generation,
    build_prompt,
    check_options,
    encoder_frames,
    max_new_tokens,
    read_generation,
    split_pieces,
)
from endpoint.engine.tokens import WhisperTokens
from endpoint.options import Options, Task
from endpoint.types import SAMPLE_RATE, Piece, Window

TOKENS = WhisperTokens.load(TEST_MODEL)
ENGLISH = replace(TOKENS, languages={})
WINDOW = Window(16_000, np.zeros(160_000, np.int16))
ONE, TWO = TOKENS.encode(" one"), TOKENS.encode(" two")
unhurried = settings(deadline=None)


def time(seconds: float) -> int:
    return TOKENS.first_time + round(seconds * 50)


def test_without_a_prompt_there_is_one_token() -> None:
    for nothing in (Options(), Options(prompt=""), Options(prompt=" \n", hotwords=" ")):
        assert build_prompt(TOKENS, nothing) == [TOKENS.sot]


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0.1, 750), (9, 750), (9.1, 1_000), (14, 1_000), (19, 1_250), (24.1, 1_500), (30, 1_500)]
)
def test_the_encoder_of_interim_text_works_on_the_sound_and_some_silence(seconds: float, frames: int) -> None:
    assert encoder_frames(round(seconds * SAMPLE_RATE), interim=True) == frames
    assert encoder_frames(round(seconds * SAMPLE_RATE), interim=False) == ENCODER_TOKENS


def test_hotwords_stand_before_the_prompt() -> None:
    ids = build_prompt(TOKENS, Options(prompt=" two ", hotwords="one"))
    assert ids == [TOKENS.prev, *TOKENS.encode(" one two"), TOKENS.sot]


def test_of_a_long_prompt_the_end_is_used() -> None:
    text = " ".join(["one", "two"] * 400)
    ids = build_prompt(TOKENS, Options(prompt=text))
    assert ids[1:-1] == TOKENS.encode(" " + text)[-MAX_PROMPT_TOKENS:]
    assert len(ids) == MAX_PROMPT_TOKENS + 2


@unhurried
@given(st.none() | st.text(), st.none() | st.text())
def test_any_prompt_leaves_room_for_the_text_and_names_no_special_token(
    prompt: str | None, hotwords: str | None
) -> None:
    ids = build_prompt(TOKENS, Options(prompt=prompt, hotwords=hotwords))
    assert ids[-1] == TOKENS.sot
    assert all(number < TOKENS.eot for number in ids[1:-1])
    for tokens in (TOKENS, ENGLISH):
        room = max_new_tokens(tokens, ids)
        assert 200 < room <= MAX_NEW_TOKENS + 2
        assert len(ids) + room <= CONTEXT_TOKENS


def test_language_and_task_are_not_counted_as_text() -> None:
    assert max_new_tokens(TOKENS, [TOKENS.sot]) == MAX_NEW_TOKENS + 2
    assert max_new_tokens(ENGLISH, [TOKENS.sot]) == MAX_NEW_TOKENS


def test_what_a_model_can_do_is_accepted() -> None:
    check_options(TOKENS, Options(language="de", task=Task.TRANSLATE, languages=("de", "fr")))
    for options in (Options(), Options(language="en"), Options(languages=("en",)), Options(languages=("de", "en"))):
        check_options(ENGLISH, options)


@pytest.mark.parametrize(
    ("tokens", "options", "field"),
    [
        (replace(TOKENS, languages={"en": 1}), Options(language="de"), "language"),
        (replace(TOKENS, languages={"en": 1}), Options(languages=("en", "de")), "languages"),
        (ENGLISH, Options(language="de"), "language"),
        (ENGLISH, Options(languages=("de", "fr")), "languages"),
        (ENGLISH, Options(task=Task.TRANSLATE), "task"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(tokens: WhisperTokens, options: Options, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_options(tokens, options)
    assert caught.value.param == field


def generation(*ids: int, complete: bool = True) -> Generation:
    return Generation(list(ids), [-0.5] * len(ids), 0.25, {"de": 0.75, "en": 0.25}, complete)


def test_language_and_task_are_read_and_left_out() -> None:
    spoken = [time(0), *ONE, time(1.5)]
    given_ids = generation(TOKENS.languages["de"], TOKENS.transcribe, *spoken, TOKENS.eot)
    made = read_generation(TOKENS, WINDOW, Options(temperature=0.4), 7, given_ids)
    assert (made.language, made.tokens, made.text) == ("de", tuple(spoken), " one")
    assert made.pieces == (Piece(0, 1500, tuple(spoken), " one"),)
    assert (made.no_speech_prob, made.temperature, made.input_tokens, made.complete) == (0.25, 0.4, 7, True)
    assert made.language_probabilities == {"de": 0.75, "en": 0.25}
    assert made.window is WINDOW
    assert len(made.logprobs) == len(made.tokens)


def test_an_english_only_output_begins_with_its_text() -> None:
    made = read_generation(ENGLISH, WINDOW, Options(), 1, replace(generation(time(0), *ONE), language_probabilities={}))
    assert (made.language, made.language_probabilities, made.text) == ("en", {"en": 1.0}, " one")


def test_the_mean_is_over_text_and_end_as_the_reference_has_it() -> None:
    ids = [TOKENS.languages["en"], TOKENS.transcribe, time(0), *ONE, TOKENS.eot]
    logprobs = [-9.0, -9.0, *[-0.1] * (len(ids) - 3), -0.4]
    made = read_generation(TOKENS, WINDOW, Options(), 1, Generation(ids, logprobs, 0.0, {"en": 1.0}, True))
    assert made.avg_logprob == pytest.approx(sum(logprobs[2:]) / len(logprobs[2:]))


def test_rounding_above_certainty_is_certainty() -> None:
    made = read_generation(ENGLISH, WINDOW, Options(), 1, Generation([time(0)], [1e-3], 0.0, {}, True))
    assert made.avg_logprob == 0.0


@pytest.mark.parametrize("ids", [[], [TOKENS.languages["fr"]], [TOKENS.languages["fr"], TOKENS.transcribe]])
def test_an_output_may_end_early(ids: list[int]) -> None:
    made = read_generation(TOKENS, WINDOW, Options(language="de"), 1, generation(*ids, complete=False))
    assert (made.tokens, made.pieces, made.avg_logprob, made.complete) == ((), (), 0.0, False)
    assert made.language == ("fr" if ids else "de")


def test_pieces_lie_between_timestamps() -> None:
    ids = [time(0), *ONE, time(1), time(1), *TWO, time(2.5)]
    assert split_pieces(TOKENS, ids) == [
        Piece(0, 1000, (time(0), *ONE, time(1)), " one"),
        Piece(1000, 2500, (time(1), *TWO, time(2.5)), " two"),
    ]


def test_scores_stay_with_the_text_they_are_of() -> None:
    ids = [time(0), *ONE, time(1), *TWO]
    logprobs = [-float(k) for k in range(len(ids))]
    pieces = split_pieces(TOKENS, ids, logprobs)
    assert [b"".join(score.data for score in piece.scores).decode() for piece in pieces] == [" one", " two"]
    assert [score.logprob for piece in pieces for score in piece.scores] == [
        logprob for token, logprob in zip(ids, logprobs, strict=True) if not TOKENS.is_time(token)
    ]
    made = read_generation(TOKENS, WINDOW, Options(logprobs=True), 1, generation(*ids))
    assert all(score.logprob <= 0 for piece in made.pieces for score in piece.scores)
    assert made.pieces[0].scores
    assert not read_generation(TOKENS, WINDOW, Options(), 1, generation(*ids)).pieces[0].scores


def test_text_after_the_last_timestamp_is_kept_open() -> None:
    assert split_pieces(TOKENS, [time(0.5), *ONE]) == [Piece(500, None, (time(0.5), *ONE), " one")]
    assert split_pieces(TOKENS, [*ONE]) == [Piece(0, None, tuple(ONE), " one")]
    assert split_pieces(TOKENS, [time(0), *ONE, time(1), *TWO])[1] == Piece(1000, None, tuple(TWO), " two")


def test_blank_text_and_lone_timestamps_are_no_piece() -> None:
    assert split_pieces(TOKENS, []) == []
    assert split_pieces(TOKENS, [time(0), time(2)]) == []
    assert split_pieces(TOKENS, [time(0), *TOKENS.encode(" "), time(2)]) == []


@unhurried
@given(st.lists(st.integers(0, TOKENS.vocabulary - 1), max_size=40))
def test_no_text_is_lost_whatever_was_generated(ids: list[int]) -> None:
    pieces = split_pieces(TOKENS, ids)
    assert all(piece.end_ms is None or piece.end_ms >= piece.start_ms >= 0 for piece in pieces)
    assert all(piece.text.strip() for piece in pieces)
    kept = [token for piece in pieces for token in piece.tokens if token < TOKENS.eot]
    lost = [token for token in ids if token < TOKENS.eot]
    for token in kept:
        lost.remove(token)
    assert TOKENS.decode(lost).strip() == ""
