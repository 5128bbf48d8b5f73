import argparse

import pytest

from endpoint.commands.numbers import positive


@pytest.mark.parametrize(("kind", "text", "value"), [(int, "3", 3), (float, "0.5", 0.5), (float, "1e9", 1e9)])
def test_numbers_above_nothing_are_taken(kind: type, text: str, value: float) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=positive(kind))
    assert parser.parse_args(["--number", text]).number == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [(int, "0"), (int, "-1"), (int, "2.5"), (float, "0"), (float, "inf"), (float, "nan"), (float, "x")],
)
def test_others_are_refused_with_the_usage(kind: type, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=positive(kind))
    with pytest.raises(SystemExit):
        parser.parse_args([f"--number={text}"])
    assert f"invalid number value: '{text}'" in capsys.readouterr().err
