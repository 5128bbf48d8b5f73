"""`endpoint evaluate DIR`: word errors of kept samples against corrected texts."""

from __future__ import annotations

import argparse
from pathlib import Path

from endpoint.errors import ConfigError
from endpoint.observe.evaluation import html, read, table, text


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="endpoint evaluate",
        description="Word errors by language of samples kept by SAMPLE_SHARE. Correct the text of x.json, and save it "
        "as x.txt beside it.",
    )
    parser.add_argument("folder", type=Path, help="the folder of the samples")
    parser.add_argument("--html", type=Path, help="also write a page")
    args = parser.parse_args(argv)
    if not args.folder.is_dir():
        raise ConfigError(f"{args.folder} is no folder")
    scored, left = read(args.folder)
    rows = table(scored)
    print(text(rows))
    if left:
        print(f"{len(left)} samples have no corrected text yet")
    if args.html:
        args.html.write_text(html(rows, scored, left), encoding="utf-8")
        print(f"{args.html} written")
    return 0
