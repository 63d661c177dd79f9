"""Patterns over the names of modules and parameters, as several strategies take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from tunebook.errors import ConfigError, Problem, did_you_mean


def matching(patterns: Iterable[str], parameters: Sequence[str], where: str) -> dict[str, set[str]]:
    """Returns, by pattern, the parameters that it matches by their own name or a module's.

    Args:
        patterns: Shell-style: ``*`` stands for any text, dots included.
        parameters: Names to choose from.
        where: Config path of the patterns, for the error.

    Raises:
        ConfigError: A pattern matches nothing; every such pattern is told.
    """
    found = {
        pattern: {n for n in parameters if any(fnmatchcase(part, pattern) for part in places(n))}
        for pattern in patterns
    }
    unknown = [pattern for pattern, names in found.items() if not names]
    if unknown:
        choices = list(dict.fromkeys(place for name in parameters for place in places(name)))
        raise ConfigError(*(_matches_nothing(pattern, choices, where) for pattern in unknown))
    return found


def places(name: str) -> Iterator[str]:
    """Yields the modules around a parameter, the outermost first, and its own name."""
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _matches_nothing(pattern: str, choices: Sequence[str], where: str) -> Problem:
    return Problem(
        "strategy.pattern",
        where,
        "a pattern that matches modules or parameters of the model",
        f"`{pattern}`, which matches none of {len(choices)} names",
        did_you_mean(pattern, choices),
    )
