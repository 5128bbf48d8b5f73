"""One term for a meaning, one meaning for a term: words that were given up are in no code, message or document.

CONTRIBUTING.md has the glossary.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.test_architecture import ROOT

# What was given up, and what is written instead.
RETIRED = {
    "answer answers answered answering": "response and respond over HTTP; result inside",
    "reply replies replied replying": "response",
    "door doors": "route, entry point",
    "stranger strangers": "caller; anonymous",
    "house": "code base; for a caller, its key",
    "hear hears heard hearing": "recognized, of the model; speech, of voice activity; listen, of a connection",
    "said": "reference text, of benchmarks; generated, of tokens",
    "told": "sent, given, reported",
    "aloud": "stream",
    "places": "permits, slots, positions, placement",
    "repair repairs repaired repairing": "fallback, continuation, retry",
    "demo model": "test model",
}
WORDS = {word: instead for words, instead in RETIRED.items() for word in ([words] if " m" in words else words.split())}
PATTERN = re.compile(rf"(?<![a-z])({'|'.join(WORDS)})(?![a-z])", re.IGNORECASE)

# Where a word is somebody else's, or history.
ALLOWED = {
    "CHANGELOG.md": "what was, in the words of its time",
    "tests/test_architecture_words.py": "this list",
    "demo_model/vocabulary.py": "house and door are words of the test model",
    "tests/make_recordings.py": "house is a word of the test model",
    "endpoint/demo/model/README.md": "house and door are words of the test model",
}


def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    found = listed or [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.suffix in (".py", ".md")]
    return [name for name in found if name.endswith((".py", ".md", ".html", ".svg", ".toml")) and name not in ALLOWED]


@pytest.mark.parametrize("folder", sorted({name.partition("/")[0] for name in files()}))
def test_words_that_were_given_up_are_gone(folder: str) -> None:
    found = []
    for name in files():
        if name.partition("/")[0] == folder and (ROOT / name).exists():
            for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
                found += [f"{name}:{number}: {word[1]}: {WORDS[word[1].lower()]}" for word in PATTERN.finditer(line)]
    assert found == []
