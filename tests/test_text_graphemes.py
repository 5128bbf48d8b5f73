import pytest

from endpoint.text.graphemes import breakable, clusters, directed, may_break, width


def test_clusters_are_what_readers_see():
    assert clusters("e\u0301a👩‍👩‍👧กำ") == ["e\u0301", "a", "👩‍👩‍👧", "กำ"]


@pytest.mark.parametrize(
    ("text", "size"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\u200f", 0), ("👩‍👩‍👧", 2), ("สวัสดี", 4), ("한글", 4)]
)
def test_width(text, size):
    assert width(text) == size
    assert width(text, 1.0, 0.5) == size / 2


def test_breaks():
    assert may_break("日", "本")
    assert may_break("日", "a")
    assert not may_break("a", "b")
    assert not may_break("た", "。")
    assert not may_break("「", "た")
    assert breakable("iPhone手机，好") == ["iPhone", "手", "机，", "好"]
    assert "".join(breakable("ខ្ញុំស្រលាញ់អ្នក")) == "ខ្ញុំស្រលាញ់អ្នក"
    assert breakable("नमस्ते") == ["नमस्ते"]  # a script with spaces


def test_direction():
    assert directed("abc שלום", "he") == "\u200fabc שלום"
    assert directed("שלום abc", "he") == "שלום abc"
    assert directed("abc", "en") == "abc"
