"""Runs one notebook by papermill: ``python -m tunebook.notebooks FOLDER``, with FOLDER/job.json.

papermill changes the working directory and isn't thread-safe, so that every notebook gets a
process of its own, which `tunebook.notebooks.supervision` starts and watches.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path

from tunebook.writing import write_atomically


def main() -> None:
    """Reads the job, runs it, and leaves an outcome.json beside it."""
    # every run of a batch pays for these, and a notebook has no use for any: jsonschema would
    # build a grammar of IRIs, which takes two seconds, and one of URIs, and read durations;
    # papermill would be ready for Hadoop
    for unused in ("rfc3987_syntax", "rfc3986_validator", "isoduration", "pyarrow"):
        sys.modules[unused] = None  # type: ignore[assignment]
    from tunebook.notebooks.papermill_job import run_job

    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_supervisor, args=(folder,), daemon=True).start()
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    outcome = run_job(folder, job)
    write_atomically(folder / "outcome.json", json.dumps(outcome))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a run would wait until every module is taken apart


def _end_with_supervisor(folder: Path) -> None:
    """Nobody would end a hung notebook once the supervisor is gone; its kernel follows this one."""
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
