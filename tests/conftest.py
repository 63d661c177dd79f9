from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import tiny

# examples are drawn slowly where other work shares the machine; that says nothing about the code
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# tests that run together share two cores; more threads only get in one another's way
os.environ.setdefault("OMP_NUM_THREADS", "1")

# they need a browser, which `make test-browser` installs
collect_ignore = [] if os.environ.get("TUNEBOOK_BROWSER") else ["browser"]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_tiny_bert(tmp_path_factory.mktemp("tiny_bert"))


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_tiny_gpt2(tmp_path_factory.mktemp("tiny_gpt2"))


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_tiny_t5(tmp_path_factory.mktemp("tiny_t5"))


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps caches and runs of tests out of the user's folders."""
    monkeypatch.setenv("TUNEBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TUNEBOOK_RUN_DIR", raising=False)
    for name in ("TUNEBOOK_PLUGINS", "TUNEBOOK_STRICT_PLUGINS", "TUNEBOOK_RUNS_DIR"):
        monkeypatch.delenv(name, raising=False)
