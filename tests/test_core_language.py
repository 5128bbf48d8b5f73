"""In which language windows are decoded: endpoint.core.language."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endpoint.core.language import FileLanguage, in_language
from endpoint.options import Options
from endpoint.types import Hypothesis, Window
from tests.test_core_continuation import recognized

GERMAN = {"de": 0.95, "en": 0.05}
WEAK = {"en": 0.5, "de": 0.4}


def windows(count: int) -> list[Window]:
    return [Window(k * 16_000, np.zeros(16_000, np.int16)) for k in range(count)]


class Decoder:
    """Recognizes the language it is asked for; remembers it."""

    def __init__(self) -> None:
        self.asked = list[str | None]()

    async def __call__(self, window: Window, options: Options) -> Hypothesis:
        self.asked.append(options.language)
        return recognized(window=window, language=options.language)


def german_and(code: str, shares: dict[str, float]) -> list[Hypothesis]:
    *first, last = windows(4)
    german = [recognized(window=window, language="de", language_probabilities=GERMAN) for window in first]
    return [*german, recognized(window=last, language=code, language_probabilities=shares)]


async def settled(options: Options, found: list[Hypothesis], decode: Decoder) -> list[Hypothesis]:
    language = FileLanguage(options, decode)
    made = [one for each in found for one in await language.feed([each])]
    return [*made, *await language.flush()]


async def test_a_window_that_weakly_disagrees_is_decoded_in_the_files_language() -> None:
    decode, found = Decoder(), german_and("en", WEAK)
    made = await settled(Options(), found, decode)
    assert [hypothesis.language for hypothesis in made] == ["de"] * 4
    assert decode.asked == ["de"]
    assert made[3].language_probabilities == WEAK


@pytest.mark.parametrize(
    ("options", "shares"),
    [
        (Options(), {"en": 0.97, "de": 0.02}),
        (Options(multilingual=True), WEAK),
        (Options(language="en"), WEAK),
    ],
    ids=["sure of its own", "multilingual", "named"],
)
async def test_other_windows_keep_theirs(options: Options, shares: dict[str, float]) -> None:
    decode, found = Decoder(), german_and("en", shares)
    assert await settled(options, found, decode) == found
    assert decode.asked == []


async def test_the_files_language_is_that_of_all_of_it_or_with_incremental_of_what_came_before() -> None:
    found = german_and("en", WEAK)[::-1]  # the weak one first
    decode = Decoder()
    assert [h.language for h in await settled(Options(), found, decode)] == ["de"] * 4
    early = await settled(Options(incremental=True), found, decode)
    assert [hypothesis.language for hypothesis in early] == ["en", "de", "de", "de"]


async def test_what_is_named_is_settled_at_once() -> None:
    language = FileLanguage(Options(language="de"), Decoder())
    found = german_and("en", WEAK)[:1]
    assert await language.feed(found) == found
    assert await language.flush() == []


async def test_sure_windows_do_not_wait_for_the_end_and_those_behind_an_unsure_one_do() -> None:
    first, second, third = german_and("de", GERMAN)[:3]
    unsure = replace(second, language="en", language_probabilities=WEAK)
    language = FileLanguage(Options(), Decoder())
    assert await language.feed([first]) == [first]
    assert await language.feed([unsure]) == []
    assert await language.feed([third]) == []
    made = await language.flush()
    assert [hypothesis.language for hypothesis in made] == ["de", "de"]
    assert made[1] == third


def test_a_window_is_decoded_in_what_was_found_then_named_then_recognized_before() -> None:
    window, found = windows(1)[0], recognized(language="fr")
    assert in_language(Options(), window).language is None
    assert in_language(Options(), window, found).language == "fr"
    assert in_language(Options(language="de"), window, found).language == "de"
    assert in_language(Options(language="de"), replace(window, language="ru"), found).language == "ru"
