"""The guard of a command looks for relatives only where they would be lost otherwise."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tunebook_plugins.executors import guard


@pytest.mark.parametrize(("returns", "looks"), [(True, False), (False, True)])
def test_it_looks_where_orphans_do_not_come_back(returns: bool, looks: bool) -> None:
    looked: list[bool] = []
    family: Any = SimpleNamespace(returns=returns, look=lambda: looked.append(True))
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(3)"])
    guard._wait(process, family)
    assert process.returncode == 3
    assert bool(looked) is looks
