"""Text of a turn that goes on, beside the text of the whole turn. Pure."""

from __future__ import annotations

import re

from endpoint.live.agreement import plain, prefix_costs

LAST = 60  # words that are compared: enough to know where the sent text ends, and soon done for a turn of an hour
# Scripts without spaces: kana, Han, Thai, Lao, Burmese, Khmer; each of their letters is compared as a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_TOKEN = re.compile(rf"\s*(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)")


def tail(sent: str, whole: str) -> str:
    """What follows in `whole` where `sent`, an earlier version of its beginning, ends."""
    known, words = _TOKEN.findall(sent), _TOKEN.findall(whole)
    skipped = max(0, len(known) - LAST)  # words before are taken for the same number
    compared = words[max(0, skipped - LAST) :]
    costs = prefix_costs(
        [plain(word) for word in known[skipped:]], [plain(word) for word in compared], free=skipped > 0
    )
    expected = len(known) - (len(words) - len(compared))
    best = min(range(len(costs)), key=lambda k: (costs[k], abs(k - expected)))
    rest = "".join(compared[best:]).rstrip()
    return f" {rest}" if sent and best == 0 and rest and not rest[0].isspace() else rest
