"""A small process between a worker and a command, so that neither can leave the other behind.

It runs the command in a session of its own and obeys lines on its standard input, `stop` and
`kill`; when that closes, since the worker has died, it kills. What the command prints is read to
the end and its last lines are kept. Whatever ends the command, all its descendants end with it, a
server of warm kernels aside.
Its own standard output is one line of JSON, the end.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil

from tunebook.descendants import descendants

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""Variables by which numeric libraries and tokenizers are told how many threads to use."""

LAST_BYTES = 4000
PIECE = 1 << 16
CHILD_SUBREAPER = 36
"""Of prctl(2): orphans below this process become its children, wherever they have wandered."""


def main() -> None:
    """Reads the job from the first line of standard input, carries it out, tells the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in a terminal is for the batch
    job = json.loads(sys.stdin.readline())
    family = Family()
    process = subprocess.Popen(
        job["command"],
        cwd=job["cwd"],
        env=job["environment"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    last = bytearray()
    reader = threading.Thread(target=_keep_last, args=(process, last), daemon=True)
    reader.start()
    threading.Thread(target=_obey, args=(process, family), daemon=True).start()
    _wait(process, family)
    family.kill()
    reader.join(2)
    said = bytes(last).decode("utf-8", "replace").strip()
    sys.stdout.write(json.dumps({"status": process.returncode, "said": said}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the other thread still reads


def _wait(process: subprocess.Popen[bytes], family: Family) -> None:
    """Waits for the end of the command; looking for its descendants takes time from its run."""
    while not family.returns and process.poll() is None:
        family.look()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    process.wait()


class Family:
    """The descendants of this process.

    Attributes:
        returns: Whether orphans come back to it. Where there are no subreapers they don't, and
            only those are known that were looked at before.
    """

    def __init__(self) -> None:
        self.returns = False
        with suppress(OSError, AttributeError):
            self.returns = ctypes.CDLL(None).prctl(CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        self._seen: set[psutil.Process] = set()

    def look(self, *, thorough: bool = False) -> set[psutil.Process]:
        """Returns those that are alive; see `descendants` for `thorough`."""
        self._seen.update(descendants(psutil.Process(), thorough=thorough))
        self._seen = {each for each in self._seen if _alive(each)}
        return self._seen

    def kill(self) -> None:
        """Kills all, until no new one turns up."""
        until = time.monotonic() + 10
        while (left := self.look(thorough=True)) and time.monotonic() < until:
            for each in left:
                with suppress(psutil.Error):
                    each.kill()
            time.sleep(0.01)


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _obey(process: subprocess.Popen[bytes], family: Family) -> None:
    for line in sys.stdin:
        if line.strip() == "stop":
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        else:
            family.kill()
    family.kill()
    os._exit(1)


def _keep_last(process: subprocess.Popen[bytes], last: bytearray) -> None:
    assert process.stdout is not None
    while piece := os.read(process.stdout.fileno(), PIECE):
        last += piece
        del last[:-LAST_BYTES]


if __name__ == "__main__":
    main()
