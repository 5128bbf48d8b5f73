"""Corrections keep the words of a text and their order in time: thousands of random ones, in the page's own modules."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from benchmarks.page.world import World

COUNT, SMALL_COUNT = 20_000, 1_000
# Random texts of few words, so that corrections share many; gives back what is wrong with the words after each.
CORRECTED = """async (count) => {
  const {withText, replaced, find} = await import("/page/edits.js");
  const choice = (list) => list[Math.floor(Math.random() * list.length)];
  const some = (most) => Array.from({length: Math.floor(Math.random() * most)},
    () => choice(["a", "bb", "ccc,", "dd.", "élan", "“no”", "日本", "🙂", "<b>"]));
  const wrong = [];
  for (let number = 0; number < count; number += 1) {
    const words = ["one", ...some(6)].map((word, k) => ({text: ` ${word}`, start: k, end: k + 1, probability: 0.9}));
    const old = {key: 1, start: 0, end: words.length, text: words.map((word) => word.text).join(""), words};
    const text = some(7).join(" ");
    const matches = find([old], choice(["a", "b", ".", "one", "🙂"]));
    for (const made of [withText(old, text), replaced(old, matches, choice(["", "x", "two words"]))]) {
      const joined = made.words.map((word) => word.text).join("");
      const times = made.words.flatMap((word) => [word.start, word.end]);
      const ordered = times.every((time, k) => k === 0 || time >= times[k - 1]);
      if (joined !== made.text || !ordered) wrong.push([old.text, made.text, joined, times]);
    }
    if (withText(old, text).text.trim() !== text.trim()) wrong.push([old.text, text]);
  }
  return wrong.slice(0, 3);
}"""
HISTORY = """async () => {
  const {Edited} = await import("/page/edits.js");
  const row = (number) => ({start: number, end: number + 1, text: ` ${number}`, speaker: "A", words: null});
  const edited = new Edited([0, 1, 2].map(row), {A: "Anna"}, [{start: 5, end: 6}]);
  const seen = () => JSON.stringify([edited.segments.map((one) => [one.text, one.speaker]), edited.names, edited.gaps]);
  const states = [seen()];
  const steps = [
    () => edited.set([[1, {...edited.segments[1], text: " changed"}]], "edit"),
    () => edited.rename("A", "Anne", "rename"),
    () => edited.insert([row(5)], edited.gaps[0], "insert"),
    () => edited.merge("A", "B", "merge"),
  ];
  for (const step of steps) { step(); states.push(seen()); }
  const back = steps.map(() => { edited.undo(); return seen(); });
  const again = steps.map(() => { edited.redo(); return seen(); });
  return [JSON.stringify(back) === JSON.stringify(states.slice(0, -1).reverse()),
    JSON.stringify(again) === JSON.stringify(states.slice(1)), new Set(states).size];
}"""
ARCHIVE = """async (files) => {
  const {zip} = await import("/page/zip.js");
  return [...new Uint8Array(await zip(files).arrayBuffer())];
}"""


def check(world: World) -> None:
    with world.page(bypass_csp=True) as page:  # so that these lines may load modules
        count = SMALL_COUNT if world.small else COUNT
        wrong: list[Any] = page.evaluate(CORRECTED, count)
        world.add(
            f"{count} corrections: words make up the text, times in order",
            "none wrong",
            wrong or "none wrong",
            not wrong,
        )
        world.same("back and forth through the history of changes", [True, True, 5], page.evaluate(HISTORY))
        files = [["ä/b <c>.txt", "hällo\n"], ["empty.srt", ""], ["long.json", "x" * 100_000]]
        archive = zipfile.ZipFile(io.BytesIO(bytes(page.evaluate(ARCHIVE, files))))
        read = [[name, archive.read(name).decode()] for name in archive.namelist()]
        world.add(
            "an archive that Python reads", "the same files", len(read), read == files and archive.testzip() is None
        )
