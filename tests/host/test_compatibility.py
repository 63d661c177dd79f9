"""A plugin says what it is for, and one for another tunebook is refused by one problem."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tunebook.host
from plugin_sources import STRATEGY, distribution
from tunebook import __version__
from tunebook.errors import ConfigError, Problem
from tunebook.host import PluginHost, PluginWarning
from tunebook.specs import API, DeprecatedHook, TunebookSpecs, hookimpl, hookspec


def refused(tmp_path: Path, declaration: str) -> Problem:
    file = tmp_path / "declares.py"
    file.write_text(declaration + STRATEGY.format(cls="Mine", name="mine"))
    with pytest.raises(ConfigError) as caught:
        PluginHost(files=[file], strict=True)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "declaration",
    [
        f"api = {API}\n",
        'requires_tunebook = ">=0.1,<1"\n',
        f'api: int = {API}\nrequires_tunebook = "=={__version__}"\n',
        'requires_tunebook = ""\n',
    ],
)
def test_a_plugin_for_this_tunebook_is_taken(tmp_path: Path, declaration: str) -> None:
    file = tmp_path / "declares.py"
    file.write_text(declaration + STRATEGY.format(cls="Mine", name="mine"))
    assert "mine" in PluginHost(files=[file], strict=True).names("strategy")


@pytest.mark.parametrize(
    ("declaration", "code", "found"),
    [
        ("api = 2\n", "plugin.newer_api", "one for api 2"),
        ("api = 0\n", "plugin.declaration", "api = 0"),
        ("api = '1'\n", "plugin.declaration", "api = '1'"),
        ("api = True\n", "plugin.declaration", "api = True"),
        (
            "requires_tunebook = '>=99'\n",
            "plugin.requires_tunebook",
            "one that needs tunebook >=99",
        ),
        ("requires_tunebook = 'new'\n", "plugin.declaration", "requires_tunebook = 'new'"),
        ("requires_tunebook = 1\n", "plugin.declaration", "requires_tunebook = 1"),
        ("requires_tunebook = None\n", "plugin.declaration", "requires_tunebook = None"),
    ],
)
def test_what_is_not_for_this_tunebook_is_refused(
    tmp_path: Path, declaration: str, code: str, found: str
) -> None:
    problem = refused(tmp_path, declaration)
    assert (problem.code, problem.found) == (code, found)


def test_a_newer_api_is_told_though_its_module_cannot_be_imported(tmp_path: Path) -> None:
    problem = refused(tmp_path, "from tunebook.specs import HookOfTheFuture\napi = 2  # soon\n")
    assert problem.code == "plugin.newer_api"
    assert problem.fix.startswith("update tunebook, or leave ")


def test_a_newer_api_is_told_before_the_hooks_that_it_brings(tmp_path: Path) -> None:
    source = "\n@hookimpl\ndef tunebook_of_the_future(): ...\n"
    file = tmp_path / "declares.py"
    file.write_text("api = 2\n" + STRATEGY.format(cls="Mine", name="mine") + source)
    with pytest.raises(ConfigError) as caught:
        PluginHost(files=[file], strict=True)
    assert [problem.code for problem in caught.value.problems] == ["plugin.newer_api"]


def test_an_installed_one_is_left_out_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "api = 7\n" + STRATEGY.format(cls="Mine", name="mine")
    distribution(tmp_path, "futurists", {"mine": "future_mod"}, {"future_mod": source})
    with pytest.warns(PluginWarning, match=r"TUNEBOOK_PLUGINS=-futurists:mine"):
        host = PluginHost()
    assert "mine" not in host.names("strategy")
    assert "lora" in host.names("strategy")


@pytest.mark.parametrize(
    ("requires", "taken"),
    [
        ("tunebook>=0.1,<1", True),
        ("Tunebook (>=0.1)", True),
        ("tunebook>=99; extra == 'all'", True),
        ("tunebook-helpers>=99", True),
        ("tunebook>=99", False),
        ("tunebook[adapters]<0.0.1", False),
    ],
)
def test_what_a_distribution_requires_is_read_before_anything_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requires: str, taken: bool
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = STRATEGY.format(cls="Mine", name="mine") if taken else "raise SystemExit(9)"
    modules = {"requiring_mod": source}
    distribution(tmp_path, "requiring", {"mine": "requiring_mod"}, modules, requires)
    monkeypatch.delitem(sys.modules, "requiring_mod", raising=False)
    with warnings.catch_warnings(action="ignore"):
        host = PluginHost()
    assert ("mine" in host.names("strategy")) is taken
    assert [each.problem.code for each in host.broken] == (
        [] if taken else ["plugin.requires_tunebook"]
    )


@pytest.mark.parametrize("value", ["no_such_module_of_ours", "json:no_such_thing", "json.no.such"])
def test_an_entry_point_to_nowhere_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    distribution(tmp_path, "lost", {"astray": value}, {})
    with pytest.warns(PluginWarning, match=f"`{value}`, which isn't there"):
        host = PluginHost()
    assert [each.problem.code for each in host.broken] == ["plugin.nowhere"]
    assert len(host.names("strategy")) >= 14


def test_a_package_that_a_plugin_lacks_is_no_entry_point_to_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    distribution(tmp_path, "lacking", {"lacks": "lacks_mod"}, {"lacks_mod": "import no_such_lib"})
    with pytest.warns(PluginWarning, match="no_such_lib"):
        host = PluginHost()
    assert [each.problem.code for each in host.broken] == ["plugin.broken"]


class LaterSpecs(TunebookSpecs):
    @hookspec(warn_on_impl=DeprecatedHook("tunebook_run_started goes with api 2: use …"))
    def tunebook_run_started(self, run: Any) -> None: ...


def test_a_hook_that_is_to_go_is_told_to_whoever_implements_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tunebook.host, "TunebookSpecs", LaterSpecs)
    started = hookimpl(lambda run: str(run))
    with pytest.warns(DeprecatedHook, match="goes with api 2") as told:
        PluginHost(discover=False).register(
            SimpleNamespace(__name__="old", tunebook_run_started=started)
        )
    assert [Path(each.filename).name for each in told] == [Path(__file__).name]


def test_other_hooks_are_told_nothing() -> None:
    with warnings.catch_warnings(action="error"):
        PluginHost(discover=False).register(hookimpl(tunebook_run_finished))


def tunebook_run_finished(run: Any, record: Any) -> None: ...
