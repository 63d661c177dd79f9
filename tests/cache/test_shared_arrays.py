"""Arrays that runs share are those that would have been computed, and nothing else moves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from tunebook import shared_work
from tunebook.shared_work import Arrays, SharedWork


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def draws() -> Arrays:
    """Computes something by chance, with all three generators."""
    return {"x": np.array([random.random(), np.random.rand(), torch.rand(1).item()])}


def get(shared: SharedWork, compute: Callable[[], Arrays] = draws) -> Arrays:
    return shared.arrays("features", "features of a test", {"of": 1}, compute).value


def next_draws() -> list[float]:
    return draws()["x"].tolist()


def test_later_draws_don_t_depend_on_what_was_computed() -> None:
    after = []
    for _ in range(2):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        get(SharedWork())
        after.append(next_draws())
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    assert after == [next_draws()] * 2


def test_another_number_of_threads_computes_anew(threads: int) -> None:
    """Sums that threads share are rounded differently: a full training showed it."""
    shared = SharedWork()
    get(shared)
    torch.set_num_threads(threads + 1)
    again = SharedWork()
    get(again)
    assert again.reused == []
    torch.set_num_threads(threads)
    get(again)
    assert len(again.reused) == 1


def test_another_source_of_tunebook_computes_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    get(SharedWork())
    monkeypatch.setattr(shared_work, "source_sha256", lambda _: "changed")
    again = SharedWork()
    get(again)
    assert again.reused == []


def test_only_what_earlier_runs_made_counts_as_reused_and_once() -> None:
    notes: list[str] = []
    first, again = SharedWork(notes.append), SharedWork(notes.append)
    for shared in (first, again):
        for _ in range(2):
            get(shared)
            shared.tell()
    assert (len(first.reused), len(again.reused)) == (0, 1)
    assert len(notes) == 1
    assert "features of a test" in notes[0]


def test_a_cache_that_cannot_be_written_is_noted(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("x") / "file"
    file.write_text("")
    monkeypatch.setenv("TUNEBOOK_CACHE", str(file))
    notes: list[str] = []
    assert get(SharedWork(notes.append))["x"].shape == (3,)
    assert len(notes) == 1
    assert "could not be kept" in notes[0]
