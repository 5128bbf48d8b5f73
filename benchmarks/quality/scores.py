"""Figures out of results and reference texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jiwer
import numpy as np

from benchmarks.quality.recordings import Recording

Result = Mapping[str, Any]
Results = Mapping[str, Result]
Pairs = list[tuple[int, int]]  # numbers of a word of the reference and of the same word recognized

HOMOPHONES = {"write": "right"}  # the only two of the vocabulary that sound alike, and no sentence tells them apart
NAMES = {"english": "en", "french": "fr", "german": "de", "spanish": "es"}


def plain(text: str) -> list[str]:
    """Words as they are compared."""
    words = text.lower().replace(",", " ").replace(".", " ").split()
    return [HOMOPHONES.get(word, word) for word in words]


def of_set(recordings: Sequence[Recording], results: Results) -> dict[str, float]:
    """wer, deleted and inserted as shares of the words of the reference; made_up: words where it has none."""
    figures: dict[str, float] = {"seconds": sum(results[item.name]["seconds"] for item in recordings)}
    recognized = [" ".join(plain(results[item.name]["text"])) for item in recordings]
    if not any(item.words for item in recordings):
        return {**figures, "made_up": float(sum(len(text.split()) for text in recognized))}
    out = jiwer.process_words([" ".join(plain(item.text)) for item in recordings], recognized)
    spoken = out.hits + out.substitutions + out.deletions
    return {
        **figures,
        "wer": out.wer,
        "deleted": out.deletions / spoken,
        "inserted": out.insertions / spoken,
        "words": spoken,
    }


def languages_right(recordings: Sequence[Recording], results: Results) -> float:
    found = [results[item.name]["language"] for item in recordings]
    return float(
        np.mean([NAMES.get(code, code) == item.languages[0] for code, item in zip(found, recordings, strict=True)])
    )


def mistakes(recordings: Sequence[Recording], results: Results) -> Iterator[dict[str, Any]]:
    """What was recognized wrongly, where, and between which words."""
    for item in recordings:
        if item.name not in results:
            continue  # a peer that was not asked, or not done in time
        reference, recognized = plain(item.text), plain(results[item.name]["text"])
        if not reference:
            if recognized:
                yield {
                    "file": item.name,
                    "kind": "insert",
                    "at": 0.0,
                    "reference": "",
                    "recognized": " ".join(recognized),
                }
            continue
        for chunk in jiwer.process_words(" ".join(reference), " ".join(recognized)).alignments[0]:
            if chunk.type == "equal":
                continue
            first, end = chunk.ref_start_idx, chunk.ref_end_idx
            yield {
                "file": item.name,
                "kind": chunk.type,
                "at": round(item.words[min(first, len(reference) - 1)][1], 2),
                "reference": " ".join(reference[first:end]),
                "recognized": " ".join(recognized[chunk.hyp_start_idx : chunk.hyp_end_idx]),
                "between": f"{' '.join(reference[max(0, first - 2) : first])} _ {' '.join(reference[end : end + 2])}",
            }


def time_errors(recordings: Sequence[Recording], results: Results) -> dict[str, float]:
    """Errors in seconds of the starts and ends of words recognized right, and of segments.

    A segment is held against its own words: it should start where its first one does and end where its last one does.
    """
    words, segments = list[float](), list[float]()
    for item in recordings:
        words += _word_errors(item, results[item.name])
        segments += _segment_errors(item, results[item.name])
    figures: dict[str, float] = {}
    for name, errors in (("word", words), ("segment", segments)):
        if errors:
            figures[f"{name}_median"] = float(np.median(errors))
            figures[f"{name}_95"] = float(np.percentile(errors, 95))
            figures[f"{name}s_within_200_ms"] = float(np.mean(np.array(errors) <= 0.2))
            figures[f"{name}_edges"] = len(errors)
    return figures


def _word_errors(item: Recording, result: Result) -> list[float]:
    recognized = [word for word in result.get("words") or () if plain(word["word"])]
    errors = []
    for k, j in _pairs(plain(item.text), [plain(word["word"])[0] for word in recognized]):
        _, start, end = item.words[k]
        errors += [abs(recognized[j]["start"] - start), abs(recognized[j]["end"] - end)]
    return errors


def _segment_errors(item: Recording, result: Result) -> list[float]:
    segments = [(segment, plain(segment["text"])) for segment in result.get("segments") or ()]
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


def _pairs(reference: list[str], recognized: list[str]) -> Pairs:
    """The words of both that match."""
    if not reference or not recognized:
        return []
    chunks = jiwer.process_words(" ".join(reference), " ".join(recognized)).alignments[0]
    return [
        (chunk.ref_start_idx + k, chunk.hyp_start_idx + k)
        for chunk in chunks
        if chunk.type == "equal"
        for k in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
