"""Every bundled plugin keeps every promise of its kind."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tiny
from tunebook.host import PluginHost
from tunebook.specs import KINDS
from tunebook.testing import Candidate, Check, CheckSkipped, checks_for

HOST = PluginHost()
PLUGINS = {
    f"{kind}:{name}": (kind, name)
    for kind in KINDS
    for name in HOST.names(kind)
    if HOST.origin(kind, name).distribution == "tunebook"
}
ROWS = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(8)]


def in_file(write: Callable[[pd.DataFrame, Path], Any]) -> Callable[[Path], dict[str, Any]]:
    def settings(folder: Path) -> dict[str, Any]:
        write(pd.DataFrame(ROWS), folder / "rows")
        return {"path": str(folder / "rows")}

    return settings


def in_hub_layout(folder: Path) -> dict[str, Any]:
    pd.DataFrame(ROWS).to_csv(folder / "train.csv", index=False)
    return {"name": str(folder)}


SETTINGS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "datasource:csv": in_file(lambda frame, path: frame.to_csv(path, index=False)),
    "datasource:jsonl": in_file(
        lambda frame, path: frame.to_json(path, orient="records", lines=True)
    ),
    "datasource:parquet": in_file(lambda frame, path: frame.to_parquet(path)),
    "datasource:hub": in_hub_layout,
    "datasource:memory": lambda _: {"rows": ROWS},
    "model:local": lambda folder: {"path": str(tiny.save_tiny_bert(folder))},
    "model:hub": lambda _: {"name": "someone/some-model"},
    "executor:dask": lambda _: {"connect_seconds": 3.0},
}
"""By plugin, values for the settings that have no default."""


QUICK_STRATEGIES = ("full", "adapter")
"""Whose checks the quick part of the suite runs; each trains tiny models of its own."""


def marks(plugin: str, check: Check) -> list[pytest.MarkDecorator]:
    kind, name = PLUGINS[plugin]
    descriptor = HOST.get(kind, name)
    requires = getattr(descriptor, "requires", ())
    slow = check.cost == "slow" or (kind == "strategy" and name not in QUICK_STRATEGIES)
    found = [pytest.mark.slow] if slow else []
    found += [pytest.mark.adapters] if "adapters" in requires else []
    # data and models that come with packages of the extra `offline`
    here = all(importlib.util.find_spec(name) for name in requires if name != "adapters")
    return found if here else [*found, pytest.mark.skip(reason="needs tunebook[offline]")]


ALL = [
    pytest.param(plugin, check, marks=marks(plugin, check), id=f"{plugin}-{check.id}")
    for plugin in PLUGINS
    for check in checks_for(HOST.get(*PLUGINS[plugin]))
]


@pytest.fixture(scope="module")
def candidates(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Candidate]]:
    """Makes each plugin's candidate once, since its checks share what they have trained."""
    made: dict[str, Candidate] = {}

    def candidate(plugin: str) -> Candidate:
        if plugin not in made:
            kind, name = PLUGINS[plugin]
            settings = SETTINGS.get(plugin, lambda _: {})(tmp_path_factory.mktemp("plugin"))
            made[plugin] = Candidate(HOST, kind, HOST.get(kind, name), settings)
        return made[plugin]

    yield candidate
    made.clear()  # executors are closed when their candidates go


def test_what_is_checked() -> None:
    assert len(PLUGINS) == 49
    assert len(ALL) == 1028


@pytest.mark.parametrize(("plugin", "check"), ALL)
def test_every_bundled_plugin_keeps_its_contract(
    plugin: str,
    check: Check,
    candidates: Callable[[str], Candidate],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if plugin == "datasource:hub":
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    try:
        check(candidates(plugin))
    except CheckSkipped as skipped:
        reason = str(skipped)
        # nothing else may be left out; the second lane lacks two packages, which cases name
        assert plugin == "model:hub" or reason in ("missing: adapters", "missing: snownlp")
        pytest.skip(reason)
