"""What a run is made by and what comes out of it, as hashes that a record keeps."""

from __future__ import annotations

from pathlib import Path

from tunebook.cache import file_sha256
from tunebook.config import CaseConfig
from tunebook.host import PluginHost
from tunebook.outcomes import UsedPlugin, home_of
from tunebook.schema import plugin_configs
from tunebook.sources import home_package, source_sha256


def code_of(case: CaseConfig, host: PluginHost) -> dict[str, str]:
    """Returns the SHA-256 of the source of tunebook and of what the plugins of a case are in."""
    found = {"tunebook": source_sha256("tunebook")}
    for kind, config in plugin_configs(case):
        loose = host.loose.get(host.origin(kind, config.kind))
        if loose is not None and loose.source:  # as it was loaded, whatever its file says by now
            found[loose.module] = loose.sha256
        else:
            home = home_package(home_of(host.get(kind, config.kind).factory))
            found[home] = source_sha256(home)
    return dict(sorted(found.items()))


def weights_in(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file of weights of a run's model, by path."""
    files = sorted((folder / "model").rglob("*.safetensors"))
    return {file.relative_to(folder).as_posix(): file_sha256(file) for file in files}


def used_plugins(case: CaseConfig, host: PluginHost) -> list[UsedPlugin]:
    """Returns the plugins of a case, each under the name that the host has for it."""
    used = {
        (kind, config.kind): host.get(kind, config.kind) for kind, config in plugin_configs(case)
    }
    return [
        UsedPlugin(kind, host.named(kind, name), home_of(plugin.factory))
        for (kind, name), plugin in used.items()
    ]
