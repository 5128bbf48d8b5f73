"""Word errors of samples: counted, by language, with intervals; and the command that prints them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from endpoint.commands.evaluate import run
from endpoint.errors import ConfigError
from endpoint.observe.evaluation import Scored, compare, html, interval, read, table


def sample(folder: Path, name: str, text: str, corrected: str | None, language: str = "en") -> None:
    row = {"text": text, "language": language, "seconds": 3.6, "model": "m"}
    (folder / f"{name}.json").write_text(json.dumps(row))
    if corrected is not None:
        (folder / f"{name}.txt").write_text(corrected)


@pytest.mark.parametrize(
    ("corrected", "recognized", "language", "found"),
    [
        ("It is twenty dollars.", "it's $20", "en", (0, 3)),
        ("the colour of it", "The color of them!", "en", (1, 4)),
        ("eins zwei drei", "eins drei vier", "de", (2, 3)),
        ("green apple", "", "en", (2, 2)),
        ("", "you you", "en", (2, 0)),
    ],
)
def test_word_errors(corrected: str, recognized: str, language: str, found: tuple[int, int]) -> None:
    assert compare(corrected, recognized, language) == found


def test_a_row_for_each_language_and_one_for_all() -> None:
    scored = [Scored("a", "en", 1, 10, 3600), Scored("b", "en", 0, 10, 3600), Scored("c", "de", 3, 5, 1800)]
    rows = table(scored)
    assert [(row.language, row.samples, row.hours, row.words) for row in rows] == [
        ("de", 1, 0.5, 5),
        ("en", 2, 2.0, 20),
        ("all", 3, 2.5, 25),
    ]
    assert [round(row.rate, 3) for row in rows] == [0.6, 0.05, 0.16]
    assert table(scored[:2])[0].language == "en"
    assert len(table(scored[:2])) == 1


def test_an_interval_holds_the_rate_that_was_drawn_from() -> None:
    """Of 200 sets of samples, about 95 % of the intervals hold the true rate."""
    chance, held = random.Random(3), 0
    for _ in range(200):
        words = [chance.randint(5, 40) for _ in range(60)]
        errors = [sum(chance.random() < 0.1 for _ in range(count)) for count in words]
        low, high = interval(errors, words)
        assert 0 <= low <= high
        held += low <= 0.1 <= high
    assert 180 <= held <= 199
    assert interval([0, 0], [5, 5]) == (0, 0)


def test_the_command_prints_a_table_and_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample(tmp_path, "one", "seven green apples", "seven green apple")
    sample(tmp_path, "two", "eins zwei", "eins zwei", "de")
    sample(tmp_path, "three", "nobody corrected this", None)
    page = tmp_path / "report.html"
    assert run([str(tmp_path), "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "en" in printed
    assert "33.3%" in printed
    assert "20.0%" in printed
    assert "1 samples have no corrected text yet" in printed
    assert "33.3%" in page.read_text()
    assert "apple" not in page.read_text()


def test_names_in_the_page_are_text() -> None:
    assert "<b>" not in html([], [Scored("<b>", "en", 0, 1, 1.0)], [])


@pytest.mark.parametrize("broken", ["{}", "no json", "[]"])
def test_what_is_no_sample_is_named(tmp_path: Path, broken: str) -> None:
    (tmp_path / "x.json").write_text(broken)
    (tmp_path / "x.txt").write_text("text")
    with pytest.raises(ConfigError, match=r"x\.json"):
        read(tmp_path)


def test_without_corrected_texts_there_is_nothing_to_evaluate(tmp_path: Path) -> None:
    sample(tmp_path, "one", "text", None)
    with pytest.raises(ConfigError, match="corrected texts"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="no folder"):
        run([str(tmp_path / "absent")])
