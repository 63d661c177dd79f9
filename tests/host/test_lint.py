"""What pluggy passes over in silence is refused with a reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import pytest

from tunebook.config import PluginConfig
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.specs import MetricPlugin, StrategyPlugin, hookimpl


class FineConfig(PluginConfig):
    kind: Literal["fine"] = "fine"


class WrongKindConfig(PluginConfig):
    kind: Literal["other"] = "other"


def plugin(**hooks: Any) -> SimpleNamespace:
    return SimpleNamespace(__name__="a_plugin", **hooks)


def code_of(candidate: object) -> str:
    with pytest.raises(ConfigError) as caught:
        PluginHost(discover=False).register(candidate)
    return caught.value.problems[0].code


def test_a_good_plugin_is_taken() -> None:
    host = PluginHost(discover=False)
    host.register(plugin(tunebook_strategies=hookimpl(lambda: [fine()])))
    assert host.names("strategy") == ["fine"]


def test_a_parameter_with_a_default_is_refused() -> None:
    def tunebook_run_started(run: Any = None) -> None: ...

    assert code_of(plugin(tunebook_run_started=hookimpl(tunebook_run_started))) == (
        "plugin.hook_parameter"
    )


def test_a_keyword_only_parameter_is_refused() -> None:
    def tunebook_run_started(*, run: Any) -> None: ...

    assert code_of(plugin(tunebook_run_started=hookimpl(tunebook_run_started))) == (
        "plugin.hook_parameter"
    )


def test_a_hook_without_its_marker_is_refused() -> None:
    assert code_of(plugin(tunebook_strategies=nothing)) == "plugin.unmarked_hook"


def test_a_plugin_without_hooks_is_refused() -> None:
    assert code_of(plugin()) == "plugin.empty"


def test_a_misspelt_hook_is_refused_with_its_neighbour() -> None:
    with pytest.raises(ConfigError) as caught:
        PluginHost(discover=False).register(plugin(tunebook_strategy=hookimpl(nothing)))
    (problem,) = caught.value.problems
    assert problem.code == "plugin.unknown_hook"
    assert problem.fix == "did you mean `tunebook_strategies`?"


def test_a_descriptor_of_another_kind_is_refused() -> None:
    wrong = MetricPlugin("fine", "", FineConfig, "m:F")
    assert code_of(plugin(tunebook_strategies=hookimpl(lambda: [wrong]))) == "plugin.descriptor"


def test_a_config_that_is_no_plugin_config_is_refused() -> None:
    wrong = StrategyPlugin("fine", "", dict, "m:F")  # type: ignore[arg-type]
    assert code_of(plugin(tunebook_strategies=hookimpl(lambda: [wrong]))) == "plugin.config"


def test_a_config_of_another_kind_is_refused() -> None:
    wrong = StrategyPlugin("fine", "", WrongKindConfig, "m:F")
    assert code_of(plugin(tunebook_strategies=hookimpl(lambda: [wrong]))) == "plugin.config_kind"


def test_a_refused_plugin_leaves_nothing_behind() -> None:
    host = PluginHost(discover=False)
    bad = plugin(tunebook_strategies=hookimpl(lambda: [fine(), "rubbish"]))
    with pytest.raises(ConfigError):
        host.register(bad)
    assert host.names("strategy") == []
    host.register(plugin(tunebook_strategies=hookimpl(lambda: [fine()])))


def test_a_factory_to_nowhere_is_told() -> None:
    host = PluginHost(discover=False)
    host.add(StrategyPlugin("fine", "", FineConfig, "json:Nowhere"))
    with pytest.raises(ConfigError) as caught:
        host.create("strategy", FineConfig())
    assert caught.value.problems[0].code == "plugin.factory"


def nothing() -> list[Any]:
    return []


def fine() -> StrategyPlugin:
    return StrategyPlugin("fine", "Fine.", FineConfig, "m:F")
