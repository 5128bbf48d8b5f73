import pytest

from endpoint.text.phrases import phrase_starts


@pytest.mark.parametrize(
    ("language", "phrases"),
    [
        ("ja", ["今日は", "東京へ", "行きました。"]),
        ("zh", ["今天", "我们", "去", "北京", "看", "朋友，", "天气", "很", "好。"]),
        ("th", ["สวัสดี", "ครับ", "วัน", "นี้"]),
    ],
)
def test_phrases(language, phrases):
    starts = phrase_starts("".join(phrases), language)
    assert starts is not None
    assert sorted(starts) == [len("".join(phrases[:k])) for k in range(len(phrases) + 1)]


def test_languages_with_spaces_have_none():
    assert phrase_starts("one two", "en") is None
    assert phrase_starts("", "ja") == {0}
