"""`tunebook cache`: what is there, what goes, and that nothing else does."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunebook.cache import Hold, Store, contents, fingerprint
from tunebook.errors import ExitCode

Invoke = Callable[..., Any]


class Text:
    """A text in a file."""

    size = staticmethod(len)

    def write(self, value: str, folder: Path) -> None:
        (folder / "text").write_text(value)

    def read(self, folder: Path, hold: Hold) -> str:  # noqa: ARG002
        return (folder / "text").read_text()


@pytest.fixture
def root() -> Path:
    """A cache with two features and a baseline, of which one feature is ten days old."""
    root = Path(os.environ["TUNEBOOK_CACHE"])
    store = Store(root, 2**30)
    for kind, number in (("features", 1), ("features", 2), ("baselines", 3)):
        store.get(kind, f"number {number}", {"of": number}, lambda: "x" * 1000, Text())
    past = time.time() - 10 * 86400
    os.utime(root / "features" / key(1) / "entry.json", (past, past))
    return root


def key(number: int) -> str:
    return fingerprint({"of": number})


def left(root: Path) -> set[int]:
    return {n for n in (1, 2, 3) if any(item.entry.key == key(n) for item in contents(root))}


def ask(invoke: Invoke, *arguments: str) -> dict[str, Any]:
    result = invoke("cache", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_entries_are_listed_the_longest_unused_first(invoke: Invoke, root: Path) -> None:
    answer = ask(invoke, "ls")
    assert answer["entries"][0]["key"] == key(1)
    assert {entry["kind"] for entry in answer["entries"]} == {"features", "baselines"}
    assert answer["bytes"] == sum(entry["bytes"] for entry in answer["entries"]) > 3000
    text = invoke("cache", "ls").stdout
    assert "number 1" in text
    assert "10 d ago" in text
    assert key(1)[:12] in text


def test_an_empty_cache_is_no_error(invoke: Invoke) -> None:
    assert ask(invoke, "ls")["entries"] == []
    assert ask(invoke, "verify")["entries"] == []
    assert ask(invoke, "rm", "--all")["removed"] == []


@pytest.mark.parametrize(
    ("arguments", "stay"),
    [
        (["--kind", "features"], {3}),
        (["--kind", "features", "--kind", "baselines"], set()),
        (["--older", "5"], {2, 3}),
        (["--older", "20"], {1, 2, 3}),
        (["--older", "5", "--kind", "baselines"], {1, 2, 3}),
        ([key(2)], {1, 3}),
        ([key(2)[:10], key(3)[:10]], {1}),
        (["--all"], set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_is_chosen_goes(
    invoke: Invoke, root: Path, arguments: list[str], stay: set[int]
) -> None:
    would = ask(invoke, "rm", *arguments, "--dry-run")
    assert left(root) == {1, 2, 3}
    does = ask(invoke, "rm", *arguments)
    assert left(root) == stay
    assert would["removed"] == does["removed"]
    assert len(does["removed"]) == 3 - len(stay)
    assert would["bytes"] == does["bytes"]


@pytest.mark.parametrize(
    ("arguments", "code", "fix"),
    [
        (["rm"], "usage.invalid", "--all"),
        (["rm", "--all", "--kind", "features"], "usage.invalid", "leave one"),
        (["rm", "--kind", "feature"], "cache.unknown_kind", "did you mean `features`?"),
        (["ls", "--kind", "fetures"], "cache.unknown_kind", "did you mean `features`?"),
        (["rm", "zzzz"], "cache.unknown_key", "use one of"),
        (["rm", ""], "cache.unknown_key", "use one of"),
        (["rm", "../../precious"], "cache.unknown_key", "use one of"),
        (["rm", "/"], "cache.unknown_key", "use one of"),
        (["rm", "--older", "-1"], "usage.invalid", "--help"),
        (["lst"], "usage.unknown_command", "did you mean `ls`?"),
        (["ls", "--knd", "x"], "usage.unknown_option", "did you mean `--kind`?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_told_and_removes_nothing(
    invoke: Invoke, root: Path, arguments: list[str], code: str, fix: str
) -> None:
    result = invoke("cache", *arguments)
    assert result.exit_code == ExitCode.CONFIG
    assert result.stderr.startswith(f"error: {code}\n")
    assert fix in result.stderr
    assert left(root) == {1, 2, 3}


def test_what_is_in_use_stays_and_that_is_an_error(invoke: Invoke, root: Path) -> None:
    hold = Hold.take(root / "features" / key(1))
    assert hold is not None
    result = invoke("cache", "rm", "--all", "--json")
    assert result.exit_code == ExitCode.ENVIRONMENT
    answer = json.loads(result.stdout)
    assert [entry["key"] for entry in answer["kept"]] == [key(1)]
    assert answer["error"]["problems"][0]["code"] == "cache.kept"
    hold.release()
    ask(invoke, "rm", "--all")
    assert left(root) == set()


def test_verifying_finds_and_removes_what_is_damaged(invoke: Invoke, root: Path) -> None:
    damage(root / "features" / key(1) / "text")
    (root / "baselines" / key(3) / "entry.json").write_text("{")
    would = ask(invoke, "verify", "--dry-run")
    assert left(root) == {1, 2, 3}
    does = ask(invoke, "verify")
    assert would["counts"] == does["counts"] == {"damaged": 2, "whole": 1}
    assert left(root) == {2}
    assert ask(invoke, "verify")["counts"] == {"whole": 1}


def damage(file: Path) -> None:
    """Flips a bit without a trace in size or time of change."""
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[500] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_half_an_entry_is_found_and_removed(invoke: Invoke, root: Path) -> None:
    half = root / "features" / f".{'a' * 64}.01234567"
    half.mkdir()
    (half / "text").write_text("half")
    assert ask(invoke, "verify")["counts"] == {"leftover": 1, "whole": 3}
    assert not half.exists()


def test_nothing_but_entries_is_ever_removed(invoke: Invoke, root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    (root / "features" / ("b" * 64)).symlink_to(precious)
    (root / "links").symlink_to(precious)
    (root / "features" / "notes.txt").write_text("mine")
    (root / "models" / "e5").mkdir(parents=True)
    ask(invoke, "verify")
    ask(invoke, "rm", "--all")
    assert left(root) == set()
    assert (precious / "thesis.txt").read_text() == "years"
    assert (root / "features" / "notes.txt").read_text() == "mine"
    assert (root / "models" / "e5").is_dir()


def test_a_cache_that_is_a_file_is_told(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUNEBOOK_CACHE", str(tmp_path / "file"))
    result = invoke("cache", "rm", "--all")
    assert result.exit_code == ExitCode.CONFIG
    assert "cache.not_a_folder" in result.stderr


def test_options_may_stand_before_or_after_the_subcommand(invoke: Invoke, root: Path) -> None:
    for arguments in (
        ["--json", "cache", "ls"],
        ["cache", "--json", "ls"],
        ["cache", "ls", "--json"],
    ):
        assert len(json.loads(invoke(*arguments).stdout)["entries"]) == 3


def test_the_group_itself_shows_its_commands(invoke: Invoke) -> None:
    text = invoke("cache", "--help").stdout
    assert all(f"  {name} " in text for name in ("ls", "rm", "verify"))
    assert invoke("cache").exit_code == ExitCode.CONFIG
