"""Servers of warm kernels that tests have for themselves."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tunebook.kernels.client import ask_all
from tunebook.kernels.places import FOLDER_VARIABLE, places
from tunebook.kernels.process import WarmProcess

Fork = Callable[..., WarmProcess]


def until(fulfilled: Callable[[], object], seconds: float = 20) -> bool:
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not fulfilled():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def own_servers(**variables: str) -> Iterator[Path]:
    """Servers in a folder of their own, all ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tk-", dir="/tmp"))  # short, for sockets
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {FOLDER_VARIABLE: str(folder), **variables}.items():
            patch.setenv(name, value)
        try:
            yield folder
        finally:
            ask_all("stop")
            until(lambda: not any(place.is_locked() for place in places(folder)))
            shutil.rmtree(folder)
