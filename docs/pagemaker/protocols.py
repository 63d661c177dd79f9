"""Reference of hooks, controls, events, errors and the checks of the conformance kit."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

from pagemaker.markdown import code, table
from pagemaker.plugins import fields_table
from pagemaker.python_api import docstring, public_object, signature
from tunebook import errors
from tunebook.controls import CONTROLS
from tunebook.events import EVENT_TYPES, Event
from tunebook.reference import field_rows
from tunebook.specs import KINDS, OBSERVERS
from tunebook.testing import CHECKS


def pages() -> dict[str, str]:
    """Returns the pages."""
    return {
        "hooks.md": _hooks(),
        "controls-and-events.md": _controls_and_events(),
        "errors.md": _errors(),
        "checks.md": _checks(),
    }


HOOKS = """# Hooks

A plugin is a module with functions of these names, each marked with `@hookimpl`
(`tunebook.hookimpl`). *Registration* hooks say what a plugin offers: they return descriptors, have
no side effects and import nothing heavy. *Observers* are told what happens in a run: they return
nothing, and one that raises disturbs neither the run nor the others. An implementation may leave
out arguments that it doesn't need; it must take the others by these names, without defaults.
"""


def _hooks() -> str:
    registration = [hook for hook, _ in KINDS.values() if hook]
    parts = [HOOKS, "## Registration", *map(_hook, registration), "## Observers"]
    return "\n\n".join([*parts, *map(_hook, OBSERVERS)]) + "\n"


def _hook(name: str) -> str:
    function: Any = public_object("tunebook.specs", "TunebookSpecs").members[name]
    text = f"```python\n{signature(function, name)}\n```"
    return f"### {code(name)}\n\n{text}\n\n{docstring(function)}"


CONTROLS_HEAD = """# Controls and events

A request is a line of `control.jsonl` in the run's folder: a JSON object with `action`, the
arguments of that action, and, if you like, `id` and `by`. `tunebook control RUN ACTION …` writes
one, and so do the buttons of the panel. The training looks for new lines between two steps; what it
did with each is an event of type `control`.
[Why it works this way](../explanation/control-protocol.md).
"""

EVENTS_HEAD = """## Events

What happens in a run is a line of `events.jsonl`, printed by `tunebook events RUN --json`. Every
line has a `type` and a `time`, seconds since the epoch.
"""


def _controls_and_events() -> str:
    parts = [CONTROLS_HEAD]
    for action, control in CONTROLS.items():
        rows = [row for row in field_rows(control) if row[0] != "action"]
        parts += [f"## {code(action)}", _first(control), fields_table(rows)]
    parts.append(EVENTS_HEAD)
    parts += [_event(name, event) for name, event in EVENT_TYPES.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _event(name: str, event: type[Event]) -> str:
    keys = ", ".join(code(field.name) for field in fields(event) if field.name != "time")
    return f"### {code(name)}\n\n{_first(event)}\n\nKeys: {keys}."


def _first(thing: Any) -> str:
    """Returns the first paragraph of a docstring."""
    return inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0]


ERRORS_HEAD = """# Errors and exit codes

Every error has the same shape, in the terminal, in notebooks and in JSON: a stable `code`, `where`,
`expected`, `found`, and `fix`, what to do. Mistakes in a configuration are collected, so that all
can be fixed at once. In Python, errors are exceptions with `problems`; commands end with the exit
code.
"""


def _errors() -> str:
    codes = [(code(str(int(each))), code(each.name)) for each in errors.ExitCode]
    classes = [
        (code(name), code(str(int(each.exit_code))), _first(each))
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.TunebookError)
    ]
    first = [code("1"), "an unexpected error in tunebook or a plugin: please report it"]
    parts = [ERRORS_HEAD, "## Exit codes", table(("code", "name"), [*codes, first])]
    parts += ["## Exceptions", table(("exception", "exit code", "when"), classes)]
    return "\n\n".join(parts) + "\n"


CHECKS_HEAD = """# Checks of the conformance kit

What `tunebook check NAME` and `tunebook.testing` check. A check is a promise that the
plugin makes; *slow* ones start a process or read a real model, and `--quick` leaves them out.
"""


def _checks() -> str:
    kinds = ["any", *KINDS]
    parts = [CHECKS_HEAD]
    for kind in kinds:
        rows = [(code(c.id), c.promise, c.cost) for c in CHECKS.values() if c.kind == kind]
        title = "Every plugin" if kind == "any" else kind.capitalize()
        parts += [f"## {title}", table(("check", "promise", "cost"), rows)] if rows else []
    return "\n\n".join(parts) + "\n"
