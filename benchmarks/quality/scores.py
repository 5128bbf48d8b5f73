"""Figures out of answers and truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jiwer
import numpy as np

from benchmarks.quality.recordings import Recording

Answers = Mapping[str, Mapping[str, Any]]


def of_set(recordings: Sequence[Recording], answers: Answers) -> dict[str, float]:
    """wer, deleted and inserted as shares of the words said; said_nothing: words where none were said."""
    figures: dict[str, float] = {"seconds": sum(answers[item.name]["seconds"] for item in recordings)}
    heard = [_plain(answers[item.name]["text"]) for item in recordings]
    if not any(item.words for item in recordings):
        return {**figures, "made_up": float(sum(len(text.split()) for text in heard))}
    out = jiwer.process_words([item.text for item in recordings], heard)
    said = out.hits + out.substitutions + out.deletions
    return {**figures, "wer": out.wer, "deleted": out.deletions / said, "inserted": out.insertions / said}


def languages_right(recordings: Sequence[Recording], answers: Answers) -> float:
    return float(np.mean([_code(answers[item.name]["language"]) == item.languages[0] for item in recordings]))


def time_errors(recordings: Sequence[Recording], answers: Answers) -> dict[str, float]:
    """Errors in seconds of the starts and ends of words heard right, and of segments that are one phrase."""
    words, segments = list[float](), list[float]()
    for item in recordings:
        answer = answers[item.name]
        heard = answer.get("words", [])
        pairs = jiwer.process_words(item.text, " ".join(_plain(word["word"]) for word in heard)).alignments[0]
        for chunk in (chunk for chunk in pairs if chunk.type == "equal"):
            for k in range(chunk.ref_end_idx - chunk.ref_start_idx):
                _, start, end = item.words[chunk.ref_start_idx + k]
                word = heard[chunk.hyp_start_idx + k]
                words += [abs(word["start"] - start), abs(word["end"] - end)]
        edges = [(segment["start"], segment["end"]) for segment in answer.get("segments", [])]
        for start, end in item.segments:
            near = min(edges, key=lambda edge: abs(edge[0] - start) + abs(edge[1] - end), default=None)
            if near and abs(near[0] - start) < 1 and abs(near[1] - end) < 1:  # else it was joined to its neighbour
                segments += [abs(near[0] - start), abs(near[1] - end)]
    return {
        "word_median": float(np.median(words)),
        "word_95": float(np.percentile(words, 95)),
        "words_within_200_ms": float(np.mean(np.array(words) <= 0.2)),
        "segment_median": float(np.median(segments)),
    }


def _plain(text: str) -> str:
    return " ".join(text.lower().replace(",", " ").replace(".", " ").split())


def _code(language: str) -> str:
    return {"english": "en", "french": "fr", "german": "de", "spanish": "es"}.get(language, language)
