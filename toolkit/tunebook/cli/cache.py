"""What is kept between runs: `cache ls`, `cache rm` and `cache verify`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import group
from tunebook.errors import ConfigError, MachineError, Problem, did_you_mean

if TYPE_CHECKING:
    from tunebook.cache import Item

HEADER = ("key", "kind", "what", "size", "took", "made", "last used", "state")
SHOWN = 12
"""Characters of a key that tables show; any unambiguous beginning will do in a command."""
DAYS = 86400.0


@group("cache")
def cache_command() -> None:
    """What is kept between runs: tokens, features, states of frozen layers, baselines.

    It lies in $TUNEBOOK_CACHE, else ~/.cache/tunebook, and holds $TUNEBOOK_CACHE_LIMIT_GB at most,
    else a quarter of the free disk, up to 50 GB. What is deleted is computed again when needed.
    """


@cache_command.command("ls", short_help="List the entries, longest unused first.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only those; repeatable.")
def ls_command(kinds: tuple[str, ...]) -> Answer:
    """List what the cache holds; what has gone unused for longest comes first."""
    from tunebook.cache import contents
    from tunebook.cache.places import cache_root, default_limit, limit_given

    root = _root()
    items = contents(root)
    held = sum(item.bytes for item in items)
    given = limit_given()
    limit = default_limit(root, held) if given is None else given
    chosen = _of_kinds(items, kinds)
    data = {
        "folder": str(cache_root()),
        "bytes": held,
        "limit_bytes": limit,
        "entries": [_data(item) for item in chosen],
    }
    total = f"{len(items)} entries, {_size(held)} of {_size(limit)} in {root}"
    return Answer(table(map(_row, chosen), HEADER) if chosen else "", data, hints=[total])


@cache_command.command("rm", short_help="Delete entries.")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Of that kind; repeatable.")
@click.option(
    "--older",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Not used for this many days.",
)
@click.option("--all", "everything", is_flag=True, help="All entries.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def rm_command(
    keys: tuple[str, ...],
    kinds: tuple[str, ...],
    older: float | None,
    everything: bool,
    dry_run: bool,
) -> Answer:
    """Delete the entries KEY (a key or its beginning), or those that match all options.

    What a living process uses stays. Nothing is asked.
    """
    from tunebook.cache import contents, remove

    if everything and (keys or kinds or older is not None):
        raise _usage("--all alone, or a choice", "both", "leave one of them out")
    if not (keys or kinds or everything or older is not None):
        fix = "name keys, --kind, --older DAYS or --all"
        raise _usage("what to throw away", "nothing", fix)
    chosen = _of_kinds(contents(_root()), kinds)
    chosen = _with_keys(chosen, keys) if keys else chosen
    if older is not None:
        chosen = [item for item in chosen if item.used <= time.time() - older * DAYS]
    told = {item.path: _data(item, state=False) for item in chosen}  # while they are there
    goes = (lambda item: not item.in_use) if dry_run else remove
    gone = [item for item in chosen if goes(item)]
    kept = [item for item in chosen if item not in gone]
    data = {
        "dry_run": dry_run,
        "removed": [told[item.path] for item in gone],
        "kept": [told[item.path] for item in kept],
        "bytes": sum(item.bytes for item in gone),
    }
    verb = "would be" if dry_run else "was"
    done = f"{_size(data['bytes'])} in {len(gone)} entries {verb} thrown away"
    stuck = f"{len(kept)} are in use, or may not be written to, and stay"
    error = None
    if kept and not dry_run:
        named = ", ".join(item.entry.key[:SHOWN] for item in kept)
        error = MachineError(
            Problem("cache.kept", named, "entries that can go", stuck, "try again when runs ended")
        )
    return Answer(f"{done}; {stuck}" if kept else done, data, error)


@cache_command.command("verify", short_help="Check every entry; delete damaged ones.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only those; repeatable.")
@click.option("--dry-run", is_flag=True, help="Only say what is damaged.")
def verify_command(kinds: tuple[str, ...], dry_run: bool) -> Answer:
    """Hash every file again, and delete what isn't as it was written.

    Runs never read a damaged entry, verified or not; this only finds it earlier.
    """
    from tunebook.cache import contents, remove

    chosen = _of_kinds(contents(_root()), kinds)
    states = {item.path: _state(item, anew=True) for item in chosen}
    bad = [item for item in chosen if states[item.path] in ("damaged", "leftover")]
    told = [_data(item, state=False) | {"state": states[item.path]} for item in chosen]
    rows = [(*_row(item)[:-1], states[item.path]) for item in bad]
    stuck = [] if dry_run else [item for item in bad if not remove(item)]
    data = {
        "dry_run": dry_run,
        "entries": told,
        "counts": dict(Counter(states.values())),
        "bytes": sum(item.bytes for item in chosen),
    }
    counted = ", ".join(f"{count} {state}" for state, count in Counter(states.values()).items())
    error = None
    if stuck:
        named = ", ".join(item.entry.key[:SHOWN] for item in stuck)
        found, fix = "damaged entries that stay", "end the runs that use them, and try again"
        error = MachineError(Problem("cache.kept", named, "entries that can go", found, fix))
    text = "\n".join(filter(None, [table(rows, HEADER) if rows else "", counted or "no entries"]))
    return Answer(text, data, error)


def _root() -> Path:
    """Returns the folder of the cache, which need not be there.

    Raises:
        ConfigError: It is a file.
    """
    from tunebook.cache.places import cache_root

    root = cache_root()
    if root.exists() and not root.is_dir():
        problem = ("cache.not_a_folder", "TUNEBOOK_CACHE", "a folder", f"the file {root}")
        raise ConfigError(Problem(*problem, "name another place"))
    return root


def _of_kinds(items: Sequence[Item], kinds: Sequence[str]) -> list[Item]:
    known = sorted({item.entry.kind for item in items})
    problems = [
        Problem(
            "cache.unknown_kind", "--kind", "a kind that is there", f"`{kind}`", _near(kind, known)
        )
        for kind in kinds
        if kind not in known
    ]
    if problems:
        raise ConfigError(*problems)
    return [item for item in items if not kinds or item.entry.kind in kinds]


def _with_keys(items: Sequence[Item], keys: Sequence[str]) -> list[Item]:
    """Returns the items whose keys begin as given; a name is only compared, never a path."""
    found: dict[Path, Item] = {}
    problems = []
    for key in keys:
        matches = [item for item in items if key and item.entry.key.startswith(key)]
        if len({item.entry.folder for item in matches}) == 1:
            found |= {item.path: item for item in matches}
            continue
        names = [item.entry.key[:SHOWN] for item in (matches or items)]
        fix = f"give more of it: {', '.join(names)}" if matches else _near(key, names)
        code = "cache.ambiguous" if matches else "cache.unknown_key"
        problems.append(Problem(code, "KEY", "one entry", f"{len(matches)} of `{key:.80}`", fix))
    if problems:
        raise ConfigError(*problems)
    return [*found.values()]


def _near(name: str, names: Sequence[str]) -> str:
    return did_you_mean(name, names) if names else "the cache is empty"


def _usage(expected: str, found: str, fix: str) -> ConfigError:
    return ConfigError(Problem("usage.invalid", "tunebook cache rm", expected, found, fix))


def _state(item: Item, *, anew: bool = False) -> str:
    if item.leftover:
        return "being made" if item.in_use else "leftover"
    if item.manifest is None or (anew and not item.entry.whole(item.manifest, anew=True)):
        return "damaged"
    return "in use" if item.in_use else "whole" if anew else ""


def _row(item: Item) -> tuple[object, ...]:
    about = item.manifest
    return (
        item.entry.key[:SHOWN],
        item.entry.kind,
        about.what if about else "",
        _size(item.bytes),
        f"{about.seconds:,.1f} s" if about else "",
        _ago(about.made) if about else "",
        _ago(item.used),
        _state(item),
    )


def _data(item: Item, *, state: bool = True) -> dict[str, Any]:
    about = item.manifest
    return {
        "key": item.entry.key,
        "kind": item.entry.kind,
        "bytes": item.bytes,
        "last_used": item.used,
        "what": about.what if about else None,
        "made": about.made if about else None,
        "seconds": about.seconds if about else None,
        **({"state": _state(item) or "kept"} if state else {}),
    }


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.2f} GB"


def _ago(moment: float) -> str:
    from tunebook.progress import duration

    seconds = time.time() - moment
    return f"{duration(max(seconds, 0))} ago" if seconds < DAYS else f"{seconds / DAYS:,.0f} d ago"
