"""All that there is to call and to write, for a program that has read nothing."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from tunebook import __version__
from tunebook.cases import read_case_file
from tunebook.controls import CONTROLS
from tunebook.errors import EXIT_CODES, ConfigError
from tunebook.host import PluginHost
from tunebook.plugin_listing import PluginInfo
from tunebook.records import SCHEMA_VERSION as RECORD_VERSION
from tunebook.reference import reference
from tunebook.specs import BuiltDescriptor, CasePlugin
from tunebook.states import STATES

ERROR_SHAPE: Mapping[str, Any] = {
    "type": "class of the error",
    "exit_code": "see exit_codes",
    "problems": [
        {
            "code": "stable dotted identifier to match on",
            "where": "config path, file and row, or plugin",
            "expected": "what would have been right",
            "found": "what was there instead",
            "fix": "what to do",
        }
    ],
}
"""What stands under `error` in an answer; an answer without the key is no error."""


def surface(host: PluginHost) -> dict[str, Any]:
    """Returns plugins with their settings, cases with their presets, controls, exit codes, the
    shape of errors, and versions.

    Args:
        host: Plugins.
    """
    return {
        "versions": {
            "tunebook": __version__,
            "python": platform.python_version(),
            "record_schema": RECORD_VERSION,
        },
        "plugins": [_plugin(host, info) for info in host.listing() if info.kind != "case"],
        "cases": [_case(host, name) for name in host.names("case")],
        "controls": {
            name: {
                "summary": (each.__doc__ or "").strip(),
                "destructive": each.destructive,
                "schema": each.model_json_schema(),
            }
            for name, each in CONTROLS.items()
        },
        "states": list(STATES),
        "exit_codes": {str(int(code)): meaning for code, meaning in EXIT_CODES.items()},
        "error_shape": ERROR_SHAPE,
    }


def _plugin(host: PluginHost, info: PluginInfo) -> dict[str, Any]:
    """Returns what `tunebook describe NAME` says, and the schema of the settings, where it has any:
    observers have none."""
    about = {
        "name": info.name,
        "kind": info.kind,
        "summary": info.summary,
        "distribution": f"{info.distribution} {info.version}".strip(),
        "available": info.available,
        "why_not": info.why_not,
    }
    if info.kind == "broken":
        return about
    content = reference(host, f"{info.kind}:{info.name}")
    left_out = ("fields", "tags", *about)
    more = {key: value for key, value in content.items() if key not in left_out}
    descriptor = host.get(info.kind, info.name)
    if not isinstance(descriptor, BuiltDescriptor):
        return {**about, **more}
    return {**about, **more, "schema": descriptor.config.model_json_schema()}


def _case(host: PluginHost, name: str) -> dict[str, Any]:
    descriptor = host.get("case", name)
    assert isinstance(descriptor, CasePlugin)
    about = {"name": name, "summary": descriptor.summary}
    try:
        file = read_case_file(descriptor.file, descriptor.notebook)
    except ConfigError as error:
        return {**about, "error": error.to_dict()}
    return {
        **about,
        "title": file.case.get("title", ""),
        "presets": {"default": {}, **{n: dict(each) for n, each in file.presets.items()}},
        "strategies": sorted(file.strategies),
        "notebook": str(file.notebook) if file.notebook else None,
    }
