"""What a model's own files leave out: alignment heads, tokens that are no speech, large-v3's additional language."""

from __future__ import annotations

import json
from typing import Any

ENGLISH, MULTILINGUAL, WITH_CANTONESE = 51_864, 51_865, 51_866  # sizes of vocabulary; large-v3 has one language more
_LARGE_V1 = "large-v1"
_BEFORE_CANTONESE, _CANTONESE = "<|su|>", "<|yue|>"

# (decoder layers, width, vocabulary) -> heads as layer.head, read off openai/whisper's __init__.py.
_HEADS: dict[tuple[int, int, int], str] = {
    (4, 384, ENGLISH): "1.0 2.0 2.5 3.0 3.1 3.2 3.3 3.4",
    (4, 384, MULTILINGUAL): "2.2 3.0 3.2 3.3 3.4 3.5",
    (6, 512, ENGLISH): "3.3 4.7 5.1 5.5 5.7",
    (6, 512, MULTILINGUAL): "3.1 4.2 4.3 4.7 5.1 5.2 5.4 5.6",
    (12, 768, ENGLISH): "6.6 7.0 7.3 7.8 8.2 8.5 8.7 9.0 9.4 9.8 9.10 10.0 10.1 10.2 10.3 10.6 10.11 11.2 11.4",
    (12, 768, MULTILINGUAL): "5.3 5.9 8.0 8.4 8.7 8.8 9.0 9.7 9.9 10.5",
    (24, 1024, ENGLISH): "11.4 14.1 14.12 14.14 15.4 16.0 16.4 16.9 17.12 17.14 18.7 18.10 18.15 20.0 20.3 20.9 20.14 "
    "21.12",
    (24, 1024, MULTILINGUAL): "13.15 15.4 15.15 16.1 20.0 23.4",
    (32, 1280, MULTILINGUAL): "10.12 13.17 16.11 16.12 16.13 17.15 17.16 18.4 18.11 18.19 19.11 21.2 21.3 22.3 22.9 "
    "22.12 23.5 23.7 23.13 25.5 26.1 26.12 27.15",
    (32, 1280, WITH_CANTONESE): "7.0 10.17 12.18 13.12 16.1 17.14 19.11 21.4 24.1 25.6",
    (4, 1280, WITH_CANTONESE): "2.4 2.11 3.3 3.6 3.11 3.14",
}
_LARGE_V1_HEADS = "9.19 11.2 11.4 11.17 22.7 22.11 22.17 23.2 23.15"  # large-v2 has the same sizes

# openai/whisper, tokenizer.py, non_speech_tokens.
_SYMBOLS = [
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    *("<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("', "((", "))", "(((", ")))", "[[", "]]", "{{", "}}"),
    *("♪♪", "♪♪♪"),
]
_NOTES = "♩♪♫♬♭♮♯"
_SPACE = "Ġ"  # as byte-level BPE writes it
_NOTE_BYTES = 2  # all notes begin with the same two; a token of the first alone also begins quotation marks


def alignment_heads(layers: int, width: int, vocabulary: int, name: str = "") -> list[tuple[int, int]]:
    """(layer, head) of the decoder's alignment heads; empty for sizes that no model of OpenAI's has.

    name: of the model; it distinguishes large-v1 from large-v2.
    """
    listed = _HEADS.get((layers, width, vocabulary), "")
    if _LARGE_V1 in name and (layers, width, vocabulary) == (32, 1280, MULTILINGUAL):
        listed = _LARGE_V1_HEADS
    pairs = (pair.split(".") for pair in listed.split())
    return [(int(layer), int(head)) for layer, head in pairs]


def fitted(tokenizer: dict[str, Any], vocabulary: int) -> dict[str, Any]:
    """A tokenizer.json for this size of vocabulary: large-v3 has <|yue|> after the other languages."""
    tokens = tokenizer["added_tokens"]
    if vocabulary != WITH_CANTONESE or any(token["content"] == _CANTONESE for token in tokens):
        return tokenizer
    at = next(k for k, token in enumerate(tokens) if token["content"] == _BEFORE_CANTONESE)
    last = tokens[at]
    moved = [{**token, "id": token["id"] + (token["id"] > last["id"])} for token in tokens]
    moved.insert(at + 1, {**last, "id": last["id"] + 1, "content": _CANTONESE})
    return {**tokenizer, "added_tokens": moved}


def suppressed(tokenizer: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Token ids that are no speech, and ids that cannot begin a text: a space, and the end.

    tokenizer: Hugging Face's tokenizer.json. Raises ValueError.
    """
    from tokenizers import Tokenizer

    try:
        codec = Tokenizer.from_str(json.dumps(tokenizer))
    except Exception as error:  # it raises no narrower class
        raise ValueError(f"the tokenizer.json cannot be read: {error}") from error

    def ids(text: str) -> list[int]:
        return list(codec.encode(text, add_special_tokens=False).ids)

    texts = (" -", " '", *(text for symbol in _SYMBOLS for text in (symbol, f" {symbol}")))
    found = {tokens[0] for tokens in map(ids, texts) if len(tokens) == 1}
    for note in _NOTES:
        for first in (*ids(note)[:1], *ids(f" {note}")[:1]):
            if len((codec.id_to_token(first) or "").removeprefix(_SPACE)) >= _NOTE_BYTES:
                found.add(first)
    if (end := codec.token_to_id("<|endoftext|>")) is None:
        raise ValueError("the tokenizer.json has no <|endoftext|>")
    return sorted(found), [*ids(" ")[:1], end]
