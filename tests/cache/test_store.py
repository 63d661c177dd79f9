"""The cache: computed once, kept by all that it depends on, never served damaged."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tunebook.cache import Kept, Store, contents, fingerprint
from tunebook.cache.places import default_limit
from tunebook.cache.room import _claim
from tunebook.errors import ConfigError
from tunebook.shared_work import LOADED, MAPPED, ArrayForm, Arrays

GB = 2**30


class Counter:
    """Makes arrays, and counts how often it had to."""

    def __init__(self, rows: int = 3) -> None:
        self.calls, self.rows = 0, rows

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"features": np.arange(self.rows * 4, dtype=np.float32).reshape(self.rows, 4)}


def get(store: Store, compute: Counter, form: ArrayForm = MAPPED, **parts: object) -> Kept[Arrays]:
    return store.get("features", "features of a test", parts, compute, form)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", GB)


def the_file(store: Store, name: str = "features.npy") -> Path:
    (item,) = contents(store.root)
    return item.path / name


@pytest.mark.parametrize("form", [MAPPED, LOADED], ids=["mapped", "loaded"])
def test_a_thing_is_computed_once(store: Store, form: ArrayForm) -> None:
    compute = Counter()
    first, again = get(store, compute, form), get(store, compute, form)
    assert (first.reused, again.reused, compute.calls) == (False, True, 1)
    assert np.array_equal(first.value["features"], again.value["features"])
    assert isinstance(again.value["features"], np.memmap) == form.mapped
    assert (again.made, again.seconds) == (first.made, first.seconds)


def test_other_parts_are_another_thing(store: Store) -> None:
    compute = Counter()
    get(store, compute, weights="a")
    get(store, compute, weights="b")
    assert compute.calls == 2
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY rubbish", b"\x00" * 176])
def test_a_damaged_entry_is_rebuilt(store: Store, damage: bytes) -> None:
    compute = Counter()
    right = np.array(get(store, compute).value["features"])
    the_file(store).write_bytes(damage)
    found = get(store, compute)
    assert (found.reused, compute.calls) == (False, 2)
    assert np.array_equal(found.value["features"], right)
    assert get(store, compute).reused


@pytest.mark.parametrize("name", ["features.npy", "entry.json"])
def test_no_flipped_byte_is_served(store: Store, name: str) -> None:
    """Every seventh byte of a file, each in its turn."""
    compute = Counter()
    get(store, compute)
    content = the_file(store, name).read_bytes()
    tried = 0
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 1
        file = the_file(store, name)
        file.write_bytes(changed)
        if json_means_the_same(name, content, changed):
            continue
        tried += 1
        assert not get(store, compute).reused, f"byte {place}: {changed[place]!r}"
        content = the_file(store, name).read_bytes()
    assert tried > 20
    assert compute.calls == tried + 1


def json_means_the_same(name: str, before: bytes, after: bytes) -> bool:
    """Whether only white space of the manifest has changed."""
    if name != "entry.json":
        return False
    try:
        return bool(json.loads(before) == json.loads(after))
    except ValueError:
        return False


@pytest.mark.parametrize("missing", ["features.npy", "entry.json"])
def test_an_entry_of_which_something_is_missing_is_rebuilt(store: Store, missing: str) -> None:
    compute = Counter()
    get(store, compute)
    the_file(store, missing).unlink()
    assert not get(store, compute).reused
    assert get(store, compute).reused


def test_an_entry_in_the_place_of_another_is_not_served(store: Store) -> None:
    compute = Counter()
    get(store, compute, weights="a")
    (item,) = contents(store.root)
    item.path.rename(item.path.with_name(fingerprint({"weights": "b"})))
    assert not get(store, compute, weights="b").reused


def test_nothing_but_entries_is_left(store: Store) -> None:
    get(store, Counter())
    assert [item.leftover for item in contents(store.root)] == [False]
    assert {path.name for path in the_file(store).parent.iterdir()} == {
        "entry.json",
        "features.npy",
    }


def test_what_computing_raises_is_passed_on_and_keeps_nothing(store: Store) -> None:
    def fail() -> Arrays:
        raise OSError("of the computation")

    with pytest.raises(OSError, match="of the computation"):
        store.get("features", "x", {}, fail, MAPPED)
    assert contents(store.root) == []
    assert not get(store, Counter()).lost


@pytest.fixture(params=["a file", "below a file", "read-only", "a file as kind", "a loop of links"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "cache"
    match request.param:
        case "a file":
            root.write_text("not a folder")
        case "below a file":
            root.write_text("not a folder")
            root = root / "deeper"
        case "read-only":
            if os.geteuid() == 0:
                pytest.skip("root may write everywhere")
            root.mkdir()
            root.chmod(stat.S_IRUSR | stat.S_IXUSR)
        case "a file as kind":
            root.mkdir()
            (root / "features").write_text("not a folder")
        case "a loop of links":
            root.symlink_to(root)
    yield root
    if root.is_dir():
        root.chmod(stat.S_IRWXU)


def test_a_cache_that_cannot_be_used_costs_only_time(unusable: Path) -> None:
    found = get(Store(unusable, GB), Counter())
    assert found.value["features"].shape == (3, 4)
    assert (found.reused, bool(found.lost)) == (False, True)


def test_the_disk_is_full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(self: ArrayForm, value: Arrays, folder: Path) -> None:
        (folder / "half.npy").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ArrayForm, "write", fill)
        found = get(store, Counter())
    assert (found.lost, found.reused) == ("No space left on device", False)
    assert contents(store.root) == []
    assert not get(store, Counter()).lost


def test_any_name_of_a_folder_will_do(tmp_path: Path) -> None:
    store = Store(tmp_path / "Bücher {x} 本 %s", GB)
    get(store, Counter())
    assert get(store, Counter()).reused


def test_the_oldest_make_room_for_the_new(tmp_path: Path) -> None:
    store = Store(tmp_path, 40_000)
    for number in range(6):
        get(store, Counter(500), LOADED, number=number)  # 8 kB each
        age(store, number)
    get(store, Counter(500), LOADED, number=0)  # the oldest is used again
    get(store, Counter(500), LOADED, number=6)
    assert sum(item.bytes for item in contents(tmp_path)) <= 40_000
    kept = {item.manifest.parts["number"] for item in contents(tmp_path) if item.manifest}
    assert {0, 6} <= kept
    assert len(kept) < 7
    assert kept == {0, *range(7 - len(kept) + 1, 7)}


def age(store: Store, number: int) -> None:
    """Makes the newest entry one that was last used long ago, the first one longest."""
    newest = contents(store.root)[-1]
    os.utime(newest.path / "entry.json", (1_000_000 + number, 1_000_000 + number))


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    store = Store(tmp_path, 20_000)
    used = get(store, Counter(500), number=0)
    view = used.value["features"][3:5]
    del used
    found = get(store, Counter(800), number=1)
    assert found.lost == "all that the cache holds is in use"
    assert view.tolist() == [[12, 13, 14, 15], [16, 17, 18, 19]]
    del view
    assert not get(store, Counter(800), number=1).lost


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    found = get(Store(tmp_path, 10_000), Counter(10_000))
    assert "may hold" in found.lost
    assert contents(tmp_path) == []


def test_nothing_is_kept_where_the_bound_is_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEBOOK_CACHE_LIMIT_GB", "0")
    compute = Counter()
    for _ in range(2):
        assert not get(Store(tmp_path), compute).reused
    assert (compute.calls, [*tmp_path.iterdir()]) == (2, [])


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "1,5"])
def test_a_bound_that_is_no_number_is_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEBOOK_CACHE_LIMIT_GB", text)
    with pytest.raises(ConfigError) as caught:
        Store()
    assert caught.value.problems[0].code == "cache.limit"


def test_who_looks_whether_an_entry_is_in_use_does_not_hide_it(store: Store) -> None:
    get(store, Counter())
    (item,) = contents(store.root)
    claim = _claim(item.path)
    assert claim is not None
    threading.Timer(0.05, os.close, [claim]).start()
    assert get(store, Counter()).reused


def test_the_bound_follows_the_free_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(free=8 * GB)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    missing = tmp_path / "not" / "made" / "yet"
    assert default_limit(missing, 0) == 2 * GB
    assert default_limit(missing, 4 * GB) == 3 * GB
    free.free = 10_000 * GB
    assert default_limit(missing, 0) == 50 * GB
