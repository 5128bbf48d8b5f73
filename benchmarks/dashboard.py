"""Pictures of the dashboards, without Grafana: `python -m benchmarks.dashboard`.

    --of HOST:PORT    of a server that runs, its METRICS_PORT; may be repeated
    --seconds N       how long it is watched
    --folder DIR      where the pictures go

Without --of, those of the docs: it starts a server with the fake engine, and sends it requests and jobs. What is drawn
is what a real Prometheus gives for the queries of the dashboards; Grafana is neither in Debian nor on pip.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path
from threading import Thread

import httpx

from benchmarks.prometheus import Prometheus, prometheus
from deploy.grafana.panels import DASHBOARDS, Panel
from endpoint.bench.chart import HEIGHT, WIDTH, Axis, Series, draw
from endpoint.net import free_port
from tests.hooks import receiving
from tests.supervised import supervised

DOCS = Path(__file__).parent.parent / "docs" / "observe"
SOUND = Path(__file__).parent.parent / "tests" / "audio" / "talk.ogg"
RATE, STEP = "20s", 2
COLUMNS, GAP, STAT = 3, 10, 90
STYLE = (
    "text{font:11px sans-serif;fill:#374151}.title{font-size:14px;font-weight:600;fill:#111827}"
    ".grid{stroke:#e5e7eb}.label{fill:#6b7280}.value{font-size:26px;fill:#111827}"
)
SCALES = {"percentunit": 100, "bytes": 1 / 2**20}
UNITS = {"percentunit": "%", "bytes": "MiB", "s": "seconds", "reqps": "a second", "ops": "a second", "short": ""}


def panels(name: str) -> list[Panel]:
    """Those of a dashboard that this machine has data for."""
    return [one for one in DASHBOARDS[name] if not any(word in one.queries[0][0] for word in ("stt_gpu", "vllm:"))]


def picture(scraping: Prometheus, name: str, start: float, end: float) -> str:
    shown = panels(name)
    stats, graphs = [one for one in shown if one.stat], [one for one in shown if not one.stat]
    width = COLUMNS * (WIDTH + GAP) + GAP
    parts, top = [f'<text class="title" x="{GAP}" y="24">Speech to text: {name}</text>'], 40
    for k, panel in enumerate(stats):
        parts.append(_stat(scraping, panel, GAP + k * (width - GAP) / len(stats), top, end))
    top += STAT if stats else 0
    for k, panel in enumerate(graphs):
        x, y = GAP + k % COLUMNS * (WIDTH + GAP), top + k // COLUMNS * (HEIGHT + GAP)
        parts.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="#fff" stroke="#e5e7eb"/>')
        drawn = _graph(scraping, panel, start, end)
        parts.append(drawn.replace("<svg ", f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" ', 1))
    height = top + math.ceil(len(graphs) / COLUMNS) * (HEIGHT + GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><style>{STYLE}</style>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#f9fafb"/>', *parts, "</svg>\n"])


def _asked(expression: str) -> str:
    return expression.replace("$__rate_interval", RATE)


def _stat(scraping: Prometheus, panel: Panel, x: float, y: float, at: float) -> str:
    found = scraping.query_range(_asked(panel.queries[0][0]), at, at, 1)
    value = float(found[0]["values"][0][1]) * SCALES.get(panel.unit, 1) if found else math.nan
    shown = "no data" if math.isnan(value) else f"{value:.3g} {UNITS[panel.unit].replace('seconds', 's')}"
    return f'<text x="{x:.0f}" y="{y + 18}">{escape(panel.title)}</text><text class="value" x="{x:.0f}" y="{y + 52}">{shown}</text>'  # noqa: E501


def _graph(scraping: Prometheus, panel: Panel, start: float, end: float) -> str:
    scale, lines = SCALES.get(panel.unit, 1), list[Series]()
    for expression, legend in panel.queries:
        for found in scraping.query_range(_asked(expression), start, end, STEP):
            points = [(at - start, max(0.0, float(value) * scale)) for at, value in found["values"] if value != "NaN"]
            name = legend
            for label, value in found["metric"].items():
                name = name.replace("{{" + label + "}}", value)
            lines.append(Series(name, points))
    lines = [line for line in lines if line.points][:8]
    return draw(panel.title, Axis("seconds"), Axis(UNITS[panel.unit]), lines) or _empty(panel.title)


def _empty(title: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}"><text class="title" x="14" y="20">{escape(title)}</text></svg>'


def traffic(base: str, hook: str, end: float) -> None:
    """Waves of requests, some wrong, some jobs, until then."""
    chance, sound = random.Random(15), SOUND.read_bytes()
    with httpx.Client(base_url=base, timeout=120) as client, ThreadPoolExecutor(6) as several:
        for wave in _until(end):
            count = 1 + round(3 * (1 + math.sin(wave / 4)))
            list(several.map(lambda _: client.post("/v1/audio/transcriptions", files={"file": sound}), range(count)))
            if chance.random() < 0.3:
                client.post("/v1/audio/transcriptions", files={"file": b"no audio"})
            if chance.random() < 0.5:
                form = {"callback_url": hook}
                client.post("/v1/audio/jobs", files=[("files[]", ("a.ogg", sound))] * 3, data=form)


def _until(end: float) -> Iterator[int]:
    wave = 0
    while time.time() < end:
        yield wave
        wave += 1
        time.sleep(0.5)


@contextmanager
def busy_server(seconds: float) -> Iterator[str]:
    """The METRICS_PORT of a server that has had requests and jobs for so long."""
    port = free_port()
    settings = {"engine": "fake", "engine_args": '{"delay": 0.2}', "metrics_port": port, "decode_workers": 2}
    settings |= {"metrics_key_names": True, "url_networks": "127.0.0.0/8", "job_workers": 1}
    settings |= {"max_concurrent_requests": 4}
    with (
        tempfile.TemporaryDirectory() as folder,
        receiving() as hooks,
        supervised(Path(folder, "output.txt"), jobs_url=f"{folder}/jobs.db", **settings) as server,
    ):
        server.wait()
        sending = Thread(target=traffic, args=(server.base, hooks.url, time.time() + seconds))
        sending.start()
        yield f"127.0.0.1:{port}"
        sending.join()
        server.process.terminate()
        server.process.wait(120)


def drawn(targets: Sequence[str], seconds: float, folder: Path) -> Iterator[Path]:
    """The files of the pictures, once the targets were watched for so long."""
    program = shutil.which("prometheus")
    if program is None:
        raise SystemExit("prometheus is missing (Debian and Ubuntu: apt-get install prometheus)")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, prometheus(program, Path(data), targets) as scraping:
        start = time.time()
        time.sleep(seconds)
        if down := [f"{one['scrapeUrl']}: {one['lastError']}" for one in scraping.targets() if one["lastError"]]:
            raise SystemExit("\n".join(down))
        for name in DASHBOARDS:
            path = folder / f"{name}.svg"
            path.write_text(picture(scraping, name, start + min(10.0, seconds / 4), time.time()))
            yield path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--of", action="append", metavar="HOST:PORT")
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    own = nullcontext() if given.of else busy_server(given.seconds)
    with own as server:
        for path in drawn(given.of or [str(server)], given.seconds, given.folder or (Path() if given.of else DOCS)):
            print(path)


if __name__ == "__main__":
    main()
