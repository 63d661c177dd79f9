"""A server: ``python -m tunebook.kernels FOLDER KEY``, which returns once it is on its way."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tunebook.kernels.child import become_kernel
from tunebook.kernels.places import Place
from tunebook.kernels.preload import PRELOAD, PRELOAD_VARIABLE, bundled_plugins, preload
from tunebook.kernels.server import DEFAULT_IDLE, IDLE_VARIABLE, Server


def main() -> None:
    """Serves until it is no longer wanted, and in each fork runs a kernel."""
    place = Place(Path(sys.argv[1]), sys.argv[2])
    lock = place.lock()
    if lock is None:  # another serves here, or is about to
        return
    if os.fork():  # whoever ends the starter's children must not end the server
        os._exit(0)
    os.setsid()
    os.umask(0o077)
    os.ftruncate(sys.stdout.fileno(), 0)
    _forget_folder()
    modules = os.environ.get(PRELOAD_VARIABLE)
    preloaded = preload(modules.split(",") if modules else [*PRELOAD, *bundled_plugins()])
    idle = float(os.environ.get(IDLE_VARIABLE) or DEFAULT_IDLE)
    forked = Server(place, lock, preloaded, idle).run()
    if forked:
        order = forked.order.beside(preloaded.added)
        become_kernel(forked.connection, order, forked.files)


def _forget_folder() -> None:
    """``python -m`` puts the working directory on the path; ipykernel's launcher removes it too."""
    if sys.path and Path(sys.path[0]) == Path.cwd():
        del sys.path[0]
    os.chdir("/")


if __name__ == "__main__":
    main()
