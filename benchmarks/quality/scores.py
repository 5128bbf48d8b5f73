"""Figures out of answers and truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jiwer
import numpy as np

from benchmarks.quality.recordings import Recording

Answer = Mapping[str, Any]
Answers = Mapping[str, Answer]
Pairs = list[tuple[int, int]]  # numbers of a word said and of the same word heard

HOMOPHONES = {"write": "right"}  # the only two of the vocabulary that sound alike, and no sentence tells them apart
NAMES = {"english": "en", "french": "fr", "german": "de", "spanish": "es"}


def plain(text: str) -> list[str]:
    """Words as they are compared."""
    words = text.lower().replace(",", " ").replace(".", " ").split()
    return [HOMOPHONES.get(word, word) for word in words]


def of_set(recordings: Sequence[Recording], answers: Answers) -> dict[str, float]:
    """wer, deleted and inserted as shares of the words said; made_up: words where none were said."""
    figures: dict[str, float] = {"seconds": sum(answers[item.name]["seconds"] for item in recordings)}
    heard = [" ".join(plain(answers[item.name]["text"])) for item in recordings]
    if not any(item.words for item in recordings):
        return {**figures, "made_up": float(sum(len(text.split()) for text in heard))}
    out = jiwer.process_words([" ".join(plain(item.text)) for item in recordings], heard)
    said = out.hits + out.substitutions + out.deletions
    return {**figures, "wer": out.wer, "deleted": out.deletions / said, "inserted": out.insertions / said, "said": said}


def languages_right(recordings: Sequence[Recording], answers: Answers) -> float:
    found = [answers[item.name]["language"] for item in recordings]
    return float(
        np.mean([NAMES.get(code, code) == item.languages[0] for code, item in zip(found, recordings, strict=True)])
    )


def mistakes(recordings: Sequence[Recording], answers: Answers) -> Iterator[dict[str, Any]]:
    """What was heard wrongly, where, and between which words."""
    for item in recordings:
        if item.name not in answers:
            continue  # a peer that was not asked, or not done in time
        said, heard = plain(item.text), plain(answers[item.name]["text"])
        if not said:
            if heard:
                yield {"file": item.name, "kind": "insert", "at": 0.0, "said": "", "heard": " ".join(heard)}
            continue
        for chunk in jiwer.process_words(" ".join(said), " ".join(heard)).alignments[0]:
            if chunk.type == "equal":
                continue
            first, end = chunk.ref_start_idx, chunk.ref_end_idx
            yield {
                "file": item.name,
                "kind": chunk.type,
                "at": round(item.words[min(first, len(said) - 1)][1], 2),
                "said": " ".join(said[first:end]),
                "heard": " ".join(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
                "between": f"{' '.join(said[max(0, first - 2) : first])} _ {' '.join(said[end : end + 2])}",
            }


def time_errors(recordings: Sequence[Recording], answers: Answers) -> dict[str, float]:
    """Errors in seconds of the starts and ends of words heard right, and of segments.

    A segment is held against its own words: it should start where its first one does and end where its last one does.
    """
    words, segments = list[float](), list[float]()
    for item in recordings:
        words += _word_errors(item, answers[item.name])
        segments += _segment_errors(item, answers[item.name])
    figures: dict[str, float] = {}
    for name, errors in (("word", words), ("segment", segments)):
        if errors:
            figures[f"{name}_median"] = float(np.median(errors))
            figures[f"{name}_95"] = float(np.percentile(errors, 95))
            figures[f"{name}s_within_200_ms"] = float(np.mean(np.array(errors) <= 0.2))
            figures[f"{name}_edges"] = len(errors)
    return figures


def _word_errors(item: Recording, answer: Answer) -> list[float]:
    heard = [word for word in answer.get("words") or () if plain(word["word"])]
    errors = []
    for k, j in _pairs(plain(item.text), [plain(word["word"])[0] for word in heard]):
        _, start, end = item.words[k]
        errors += [abs(heard[j]["start"] - start), abs(heard[j]["end"] - end)]
    return errors


def _segment_errors(item: Recording, answer: Answer) -> list[float]:
    segments = [(segment, plain(segment["text"])) for segment in answer.get("segments") or ()]
    matches = {j: k for k, j in _pairs(plain(item.text), [word for _, words in segments for word in words])}
    errors, at = [], 0
    for segment, words in segments:
        first, last = matches.get(at), matches.get(at + len(words) - 1)
        if words and first is not None:
            errors.append(abs(segment["start"] - item.words[first][1]))
        if words and last is not None:
            errors.append(abs(segment["end"] - item.words[last][2]))
        at += len(words)
    return errors


def _pairs(said: list[str], heard: list[str]) -> Pairs:
    """The words of both that match."""
    if not said or not heard:
        return []
    chunks = jiwer.process_words(" ".join(said), " ".join(heard)).alignments[0]
    return [
        (chunk.ref_start_idx + k, chunk.hyp_start_idx + k)
        for chunk in chunks
        if chunk.type == "equal"
        for k in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
