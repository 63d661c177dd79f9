"""The leaderboard of a batch as files: for programs, for spreadsheets, for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tunebook.batch.as_data import to_csv, to_json
from tunebook.batch.board import Results, collect
from tunebook.batch.entry import Entry
from tunebook.batch.page import render_page
from tunebook.records import write_atomically

JSON, CSV, HTML = "leaderboard.json", "leaderboard.csv", "leaderboard.html"


def write_leaderboard(folder: Path, entries: Sequence[Entry]) -> None:
    """Writes `leaderboard.json`, `.csv` and `.html` of a batch, each whole or not at all.

    Cheap where little has changed: scores, tests and pictures of before are kept in
    `.leaderboard` of the folder, which may be deleted at any time.

    Args:
        folder: The batch.
        entries: All its entries, in whatever state.

    Raises:
        MachineError: The folder cannot be written to.
    """
    write_results(collect(folder, entries))


def write_results(results: Results) -> None:
    """Writes results that were collected already, see `write_leaderboard`."""
    content = to_json(results)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(results.folder / JSON, text.encode("utf-8", "replace"))
    write_atomically(results.folder / CSV, to_csv(results).encode("utf-8", "replace"))
    write_atomically(results.folder / HTML, render_page(results).encode("utf-8", "replace"))
