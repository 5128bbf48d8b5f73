import pytest

from endpoint.postprocess.model import Failed
from endpoint.postprocess.plain import plain_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" They met.\nThen\tthey left. ", "They met. Then they left."),
        ("A\x00\x1b[31mB\u202e\u200bC", "A[31mBC"),
        ("खिड़की \u200dक", "खिड़की \u200dक"),
        ("1 < 2 and e.g. 3.5 [sic] (see)", "1 < 2 and e.g. 3.5 [sic] (see)"),
        ("It is at www.example.org.", "It is at www.example.org."),  # as the recording has it
    ],
)
def test_text_is_on_one_line(text: str, expected: str) -> None:
    assert plain_text(text, 100, "we are at WWW.example.org now") == expected


@pytest.mark.parametrize(
    "text",
    [
        "See https://evil.example/x", "Write to a@b.example", "Go to evil.com now", "www.evil.example",
        "<script>alert(1)</script>", "<b>so</b>", "[here](x)", "```sh\nrm\n```", "{{ secret }}", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_markup_and_strange_addresses_are_refused(text: str) -> None:
    with pytest.raises(Failed) as raised:
        plain_text(text, 100, "we are at www.example.org now")
    assert raised.value.reason == "not_plain_text"


@pytest.mark.parametrize("text", ["", " \n ", "\u200b\x00"])
def test_nothing_is_refused(text: str) -> None:
    with pytest.raises(Failed) as raised:
        plain_text(text, 100, "")
    assert raised.value.reason == "empty"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two three. Four five six seven.", "One two three."),
        ("one two three four five", "one two three four…"),
        ("x" * 30, "x" * 19 + "…"),
        ("今天天气很好，我们去公园玩好吗？明天再说吧好不好。", "今天天气很好，我们去公园玩好吗？"),
    ],
)
def test_long_text_is_cut(text: str, expected: str) -> None:
    assert plain_text(text, 20, "") == expected
    assert len(expected) <= 20
