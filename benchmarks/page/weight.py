"""How much the page weighs, and when it is first painted, on the loopback interface without a cache."""

from __future__ import annotations

from typing import Any

from benchmarks.page.browser import LOOKS, opened
from benchmarks.page.world import World, sign_in

MOST_BYTES = 400_000
FIRST_PAINT_MS = 1000.0
VISITS, SMALL_VISITS = 5, 2
FIGURES = """
() => new Promise((resolve) => {
  const rows = () => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const found = () => ({
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
    files: rows().map((row) => [row.name, row.transferSize, row.decodedBodySize]),
  });
  const look = () => (found().paint === null ? setTimeout(look, 50) : resolve(found()));
  look();
})
"""
VIEWS = ("transcribe", "operate/jobs", "operate/keys", "operate/usage", "operate/health")


def check(world: World) -> None:
    for look in (LOOKS[0], LOOKS[2]):
        paints = list[float]()
        for _ in range(SMALL_VISITS if world.small else VISITS):
            with opened(world.browser, world.base, look) as (page, watched):
                world.watched.append(watched)
                paints.append(page.evaluate(FIGURES)["paint"])
        middle = sorted(paints)[len(paints) // 2]
        every = ", ".join(f"{paint:.0f}" for paint in paints)
        world.add(f"first contentful paint, {look.name}, {len(paints)} visits without a cache",
                  f"< {FIRST_PAINT_MS:.0f} ms", f"{middle:.0f} ms in the median ({every})", middle < FIRST_PAINT_MS,
                  timed=True)  # fmt: skip
    with opened(world.browser, world.base, LOOKS[0]) as (page, watched):
        world.watched.append(watched)
        first = weight(page.evaluate(FIGURES))
        sign_in(page, world.admin)
        for view in VIEWS:
            page.goto(f"{world.base}/#/{view}")
            page.locator(".view h1").wait_for()
        page.wait_for_load_state("networkidle")
        loaded = files(page.evaluate(FIGURES))
    world.add(
        "weight of the first view", f"< {MOST_BYTES:,} bytes", f"{first:,} bytes over the network", first < MOST_BYTES
    )
    sent, whole = (sum(row[part] for row in loaded.values()) for part in (0, 1))
    world.add(f"weight of every view together, {len(loaded)} files", f"< {MOST_BYTES:,} bytes",
              f"{sent:,} bytes over the network, {whole:,} unpacked", sent < MOST_BYTES)  # fmt: skip


def files(figures: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Of the page's own files: bytes sent and unpacked. What views fetch from the API is no part of the page."""
    rows = figures["files"]
    return {name: (sent, whole) for name, sent, whole in rows if "/page/" in name or name == rows[0][0]}


def weight(figures: dict[str, Any]) -> int:
    return sum(sent for sent, _ in files(figures).values())
