"""What a program or a notebook defines becomes a file that another process can load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from plugin_sources import STRATEGY
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.shipping import check_shippable, files_for, keep_sources, made_here
from tunebook.specs import DataSourcePlugin, StrategyPlugin, Tags, hookimpl

CELLS = [
    "from typing import Literal\nfrom pydantic import Field",
    "from tunebook import PluginConfig, PluginHost, hookimpl\n"
    "from tunebook.specs import MetricPlugin, StrategyPlugin, Tags",
    "MOST = 5\n"
    "class MineConfig(PluginConfig):\n"
    "    kind: Literal['mine'] = 'mine'\n"
    "    depth: int = Field(1, ge=1, le=MOST, description='How deep.')",
    "class Mine:\n    def __init__(self, config):\n        self.config = config",
]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What IPython makes of the cells above: `__main__` with their names and their text."""
    main = ModuleType("__main__")
    main.In = ["", *CELLS]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", main)
    for cell in CELLS:
        run(main, cell)
    return main


def run(main: ModuleType, cell: str) -> None:
    exec(compile(cell, "<cell>", "exec"), vars(main))
    main.In.append(cell)


def shipped(host: PluginHost, folder: Path) -> PluginHost:
    """Returns a host that has what goes to other processes, and nothing else."""
    check_shippable(host)
    keep_sources(made_here(host), folder)
    return PluginHost(discover=False, files=files_for(host, folder), strict=True)


def test_what_was_added_in_a_cell_is_a_file_for_others(session: ModuleType, tmp_path: Path) -> None:
    tags = Tags(tasks=("regression",), unsuited={"t5": "for a reason"})
    given = {"training": {"epochs": 5}, "paper": "Me 2026", "tags": tags}
    host = PluginHost()
    mine = StrategyPlugin("mine", 'It "says".', session.MineConfig, "__main__:Mine", **given)
    host.add(mine)
    there = shipped(host, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
    again = there.get("strategy", "mine")
    assert (again.summary, again.tags, again.training) == (mine.summary, tags, mine.training)
    assert again.config(depth=5).depth == 5
    assert type(there.create("strategy", again.config())).__name__ == "Mine"


def test_hooks_of_cells_can_be_registered_as_they_are(session: ModuleType, tmp_path: Path) -> None:
    run(
        session,
        "@hookimpl\ndef tunebook_strategies():\n"
        "    yield StrategyPlugin('mine', '', MineConfig, f'{__name__}:Mine')",
    )
    run(session, "@hookimpl\ndef tunebook_run_finished(run, record):\n    print(MOST)")
    host = PluginHost()
    host.register(session.tunebook_strategies)
    host.register(session.tunebook_run_finished)
    there = shipped(host, tmp_path)
    assert there.names("strategy") == ["mine"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "tunebook_run_finished.py",
        "tunebook_strategies.py",
    }
    assert there.notify("tunebook_run_finished", run=None, record=None) == []


def test_the_whole_session_can_be_registered(session: ModuleType, tmp_path: Path) -> None:
    run(
        session,
        "@hookimpl\ndef tunebook_strategies():\n"
        "    yield StrategyPlugin('mine', '', MineConfig, f'{__name__}:Mine')",
    )
    host = PluginHost()
    host.register(session)
    assert shipped(host, tmp_path).names("strategy") == ["mine"]


def test_the_definition_of_when_it_was_added_counts(session: ModuleType, tmp_path: Path) -> None:
    host = PluginHost()
    host.add(StrategyPlugin("mine", "", session.MineConfig, "__main__:Mine"))
    run(session, "class Mine:\n    later = True")
    there = shipped(host, tmp_path)
    assert not hasattr(there.create("strategy", session.MineConfig()), "later")


def test_several_kinds_added_at_once_stay_together(session: ModuleType, tmp_path: Path) -> None:
    run(session, "class RowsConfig(PluginConfig):\n    kind: Literal['rows'] = 'rows'")
    host = PluginHost()
    host.add(
        StrategyPlugin("mine", "", session.MineConfig, "__main__:Mine"),
        DataSourcePlugin("rows", "", session.RowsConfig, "json:loads"),
    )
    there = shipped(host, tmp_path)
    assert (there.names("strategy"), there.names("datasource")) == (["mine"], ["rows"])


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("class Mine:\n    def prepare(self):\n        return gone()", "`gone`, which no cell"),
        ("def make():\n    class Mine: ...\n    return Mine\nMine = make()", ""),
        ("Mine = type('Mine', (), {})", ""),
        ("exec('class Hidden: ...')\nclass Mine(Hidden): ...", "`Hidden`, which no cell"),
    ],
)
def test_what_others_could_not_use_is_told_before_anything_starts(
    session: ModuleType, cell: str, found: str
) -> None:
    run(session, cell)
    host = PluginHost()
    host.add(StrategyPlugin("mine", "", session.MineConfig, "__main__:Mine"))
    if not found:
        return check_shippable(host)
    with pytest.raises(ConfigError) as caught:
        check_shippable(host)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("plugin.not_shippable", "plugin `mine` (session)")
    assert found in problem.found
    return None


def test_what_works_here_but_not_alone_is_told(session: ModuleType) -> None:
    run(session, "import os\nos.environ['OF_THIS_SESSION'] = '1'")
    run(session, "class Mine:\n    assert __name__ == '__main__', 'only here'")
    host = PluginHost()
    host.add(StrategyPlugin("mine", "", session.MineConfig, "__main__:Mine"))
    with pytest.raises(ConfigError, match="only here"):
        check_shippable(host)


def test_an_object_stays_in_its_process_and_says_so() -> None:
    host = PluginHost(discover=False)
    watching = SimpleNamespace(tunebook_run_started=hookimpl(print_it))
    host.register(watching, name="watching")
    with pytest.raises(ConfigError, match="it is an object") as caught:
        check_shippable(host)
    assert caught.value.problems[0].code == "plugin.not_shippable"


def test_a_class_inside_of_a_function_is_no_class_of_a_cell(session: ModuleType) -> None:
    run(session, "def make():\n    class Inner(MineConfig): ...\n    return Inner\nInner = make()")
    host = PluginHost()
    host.add(StrategyPlugin("mine", "", session.Inner, "__main__:Mine"))
    with pytest.raises(ConfigError, match=r"make.<locals>.Inner"):
        check_shippable(host)


def test_nothing_is_registered_twice_under_one_name() -> None:
    host = PluginHost(discover=False)
    first = SimpleNamespace(tunebook_run_started=hookimpl(print_it))
    second = SimpleNamespace(tunebook_run_started=hookimpl(lambda run: str(run)))
    host.register(first, name="mine")
    for plugin, name in ((second, "mine"), (first, "yours")):
        with pytest.raises(ConfigError) as caught:
            host.register(plugin, name=name)
        assert caught.value.problems[0].code == "plugin.registered_twice"
    host.register(second, name="yours")
    assert sorted(host.observers("tunebook_run_started")) == ["session:mine", "session:yours"]


def print_it(run: object) -> None: ...


def test_no_name_leads_out_of_the_folder_or_over_another_file(
    session: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "up.py"
    file.write_text(STRATEGY.format(cls="Up", name="up"))
    host = PluginHost(discover=False, files=[file])
    for name in ("../up", "/up", "up", "__up"):
        run(session, "@hookimpl\ndef tunebook_run_started(run):\n    print('again')")
        host.register(session.tunebook_run_started, name=name)
    check_shippable(host)
    kept = keep_sources(host.loose.values(), tmp_path / "plugins")
    assert [path.parent for path in kept] == [tmp_path / "plugins"] * 5
    assert len({*kept}) == 5
    assert (tmp_path / "plugins" / "up.py").read_bytes() == file.read_bytes()
    there = PluginHost(discover=False, files=kept, strict=True)
    assert len(there.observers("tunebook_run_started")) == 4


def test_single_files_go_along_by_their_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(STRATEGY.format(cls="Mine", name="mine"))
    host = PluginHost(files=[file])
    assert files_for(host, tmp_path / "plugins", [file]) == [file]
    assert not (tmp_path / "plugins").exists()


def test_a_plugin_that_was_left_out_does_not_go_along(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("raise OSError('no')")
    with pytest.warns(UserWarning, match="left out"):
        host = PluginHost(files=[file])
    assert host.loose == {}


SCRIPT = (
    "\n".join([*CELLS, "host = PluginHost(discover=False)"])
    + """
host.add(StrategyPlugin("mine", "", MineConfig, f"{__name__}:Mine"))
if __name__ == "__main__":
    import sys
    from pathlib import Path
    from tunebook.shipping import check_shippable, keep_sources, made_here
    check_shippable(host)
    print(keep_sources(made_here(host), Path(sys.argv[1]))[0].read_text())
"""
)


def test_a_script_is_read_like_cells(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "class MineConfig" in done.stdout
    assert "sys.argv" not in done.stdout
    assert PluginHost(files=[tmp_path / "out" / "mine.py"]).get("strategy", "mine").name == "mine"
