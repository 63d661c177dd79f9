"""Asking a server for a kernel, and starting one where there is none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tunebook.kernels.places import NotWarm, Place, places, private_folder
from tunebook.kernels.process import ProcessId, WarmProcess
from tunebook.kernels.wire import Garbage, Gone, Inbox, peer, send
from tunebook.kernels.world import server_environment, server_key

PATIENCE = 90.0
"""Seconds to wait for a server that warms up."""
ANSWER_SECONDS = 30.0
ROUNDS = 3
"""How often a server may be found outdated, and end, before a kernel is started as usual."""
LAUNCHER = ("-m", "ipykernel_launcher")


def fork_kernel(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    outputs: tuple[int, int],
    *,
    start: bool = True,
    patience: float = PATIENCE,
) -> WarmProcess:
    """Returns a warm kernel that waits for `WarmProcess.release`.

    Args:
        command: What would be run otherwise, ``python -m ipykernel_launcher …``.
        environment: All of the kernel's environment.
        folder: Its working directory.
        outputs: Descriptors for its standard output and error.
        start: Whether to start a server where there is none.
        patience: Seconds to wait for a server that is warming up.

    Raises:
        NotWarm: There is none to be had, and why.
    """
    python, *arguments = command
    if tuple(arguments[:2]) != LAUNCHER:
        raise NotWarm(f"the kernel's command is not `python {' '.join(LAUNCHER)} …`")
    place = find_place(python, environment)
    order = {
        "arguments": arguments[2:],
        "environment": dict(environment),
        "folder": folder,
        "umask": _umask(),
        "limits": _limits(),
    }
    until = time.monotonic() + patience
    for _ in range(ROUNDS):
        connection = _reach(place, python, environment, start, until)
        answer, inbox = _ask(connection, {"fork": order}, outputs)
        if "pid" in answer:
            return WarmProcess(inbox, ProcessId(answer["pid"], answer["ticks"]))
        connection.close()
        if "refused" in answer:
            raise NotWarm(str(answer["refused"]))
        if "ended" in answer:
            raise NotWarm(f"a fork ended at once, with exit status {answer['ended']}")
    raise NotWarm(f"its servers end before they answer: {answer.get('retry', 'no word')}")


def find_place(python: str, environment: Mapping[str, str]) -> Place:
    """Returns where the server for this environment lies.

    Raises:
        NotWarm: There can be none.
    """
    if sys.platform != "linux":
        raise NotWarm(f"forking is not safe on {sys.platform}")
    place = Place(private_folder(), server_key(python, environment))
    place.check_length()
    return place


def begin_warming(python: str, environment: Mapping[str, str]) -> None:
    """Starts a server where there is none, and doesn't wait until it is warm.

    Whoever ends all processes below its own calls this before: the server must not be one of them.
    """
    with suppress(NotWarm):  # said to whoever asks for a kernel
        place = find_place(python, environment)
        if not place.is_locked():
            _start(place, python, environment)


def ask_all(wish: str) -> list[dict[str, Any]]:
    """Returns the answers of all servers of this user to ``status`` or ``stop``.

    Raises:
        NotWarm: There can be none.
    """
    if sys.platform != "linux":
        raise NotWarm(f"forking is not safe on {sys.platform}")
    return [
        {"key": place.key, **_ask_one(place, wish)}
        for place in places(private_folder())
        if place.is_locked()
    ]


def _ask_one(place: Place, wish: str) -> dict[str, Any]:
    try:
        connection = _connect(place)
    except OSError:
        return {"state": "warming up"}
    with connection:
        try:
            return {"state": "ready", **_ask(connection, {wish: True})[0]}
        except NotWarm as reason:
            return {"state": str(reason)}


def _reach(
    place: Place, python: str, environment: Mapping[str, str], start: bool, until: float
) -> socket.socket:
    started = False
    while True:
        try:
            return _connect(place)
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            pass
        except OSError as error:
            raise NotWarm(f"{place.socket}: {error.strerror}") from error
        if not place.is_locked():
            if started:
                raise NotWarm(f"its server has ended: {place.last_words()}")
            if not start:
                raise NotWarm("no server runs for this environment")
            _start(place, python, environment)
            started = True
        if time.monotonic() > until:
            raise NotWarm("its server is still warming up")
        time.sleep(0.05)


def _connect(place: Place) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(place.socket))
        if peer(connection)[1] != os.getuid():
            raise NotWarm(f"{place.socket} is served by another user")
    except BaseException:
        connection.close()
        raise
    return connection


def _ask(
    connection: socket.socket, message: Mapping[str, Any], files: Sequence[int] = ()
) -> tuple[dict[str, Any], Inbox]:
    inbox = Inbox(connection)
    try:
        send(connection, message, files)
        while (answer := inbox.read()) is None:
            pass
    except Garbage as error:
        raise NotWarm(f"its server talks nonsense: {error}") from error
    except TimeoutError as error:
        raise NotWarm(f"its server was silent for {ANSWER_SECONDS:.0f} s") from error
    except (Gone, OSError):
        return {"retry": "it ended"}, inbox
    return answer, inbox


def _start(place: Place, python: str, environment: Mapping[str, str]) -> None:
    command = [python, "-m", "tunebook.kernels", str(place.folder), place.key]
    try:
        with place.log.open("ab") as log:
            status = subprocess.run(
                command,
                cwd=place.folder,
                env=server_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                timeout=ANSWER_SECONDS,
                check=False,
            ).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotWarm(f"no server could be started: {error}") from error
    if status:
        raise NotWarm(f"no server could be started: {place.last_words()}")


def _umask() -> int:
    """Asking by `os.umask` would change it for a moment, for all threads."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))


def _limits() -> dict[str, tuple[int, int]]:
    import resource  # not on Windows, where this is imported as well

    names = (name for name in dir(resource) if name.startswith("RLIMIT_"))
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}
