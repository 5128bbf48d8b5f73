import pytest

from endpoint.postprocess.names import labels_of, taken_names

TEXTS = ["Hello, I am Anna  Bell.", "Nice to meet you, Anna. My name is Ben O'Neil.", "田中です。", "good morning"]


def taken(*proposed: tuple[str, str], known: tuple[str, ...] = ()) -> dict[str, str]:
    return dict(taken_names(proposed, ["A", "B"], known, TEXTS))


def test_labels_that_nobody_gave() -> None:
    assert labels_of(["B", None, "agent", "A", "B", "channel_1", "Anna", "AB"]) == ["B", "A", "channel_1", "AB"]


def test_names_that_were_spoken() -> None:
    assert taken(("A", "Anna Bell"), ("B", " Ben O'Neil ")) == {"A": "Anna Bell", "B": "Ben O'Neil"}
    assert taken(("A", "田中")) == {"A": "田中"}


@pytest.mark.parametrize(
    "name",
    [
        "Carol", "Ann", "anna", "Anna Bell Ben", "good morning", "", " ", "Hello, I", "A", "B", "Anna\nBell Ben",
        "<b>Anna</b>", "Anna" * 20, "Anna1", ".", "President",
    ],
)  # fmt: skip
def test_others_are_left_out(name: str) -> None:
    assert taken(("A", name)) == {}


def test_one_name_for_two_and_labels_that_are_not_there() -> None:
    assert taken(("A", "Anna"), ("B", "Anna")) == {}
    assert taken(("C", "Anna"), ("Z", "Ben")) == {}
    assert taken(("A", "Anna"), known=("Anna",)) == {}
