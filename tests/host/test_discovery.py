"""The host is open: it finds plugins of strangers, and says what is wrong with broken ones."""

from __future__ import annotations

import email
import subprocess
import sys
from pathlib import Path

import pytest

from plugin_sources import STRATEGY, distribution
from tunebook.errors import ConfigError, MachineError
from tunebook.host import PluginHost, PluginWarning


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_bundled_plugins_are_found_like_a_strangers() -> None:
    host = PluginHost(strict=True)
    assert len(host.names("strategy")) == 14
    assert {"adapter", "feature_extraction", "full", "lora"} < set(host.names("strategy"))
    assert {"csv", "hub", "icd10cm", "jsonl", "licences", "memory", "parquet"} <= set(
        host.names("datasource")
    )
    assert host.names("case") == [
        *("legal_licences", "legal_prompts", "licence_rules", "medical_coding"),
        *("medical_pretraining", "multilingual_sentiment"),
    ]
    assert all(info.distribution == "tunebook" for info in host.listing())
    assert len(host.listing()) >= 22


def test_a_plugin_outside_of_the_repository_is_found(site: Path) -> None:
    source = STRATEGY.format(cls="Strange", name="strange")
    distribution(site, "strangers", {"strange": "strange_mod"}, {"strange_mod": source})
    host = PluginHost()
    origin = host.origin("strategy", "strange")
    assert (origin.distribution, origin.version) == ("strangers", "1.2")
    config = host.get("strategy", "strange").config()
    assert type(host.create("strategy", config)).__name__ == "Strange"


def test_metadata_are_read_once_for_all_plugins_of_a_distribution_and_again_for_another_host(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = STRATEGY.format(cls="Strange", name="strange")
    distribution(site, "strangers", {"strange": "strange_mod"}, {"strange_mod": source})
    parsed: list[str] = []
    parse = email.message_from_string
    monkeypatch.setattr(
        email, "message_from_string", lambda text: parsed.append(text) or parse(text)
    )
    PluginHost()
    assert 1 <= sum("\nName: tunebook\n" in text for text in parsed) <= 2
    about = site / "strangers-1.2.dist-info" / "METADATA"
    about.write_text(about.read_text().replace("Version: 1.2", "Version: 1.3"))
    assert PluginHost().origin("strategy", "strange").version == "1.3"


def test_really_installed_plugin_is_found_in_a_fresh_process(tmp_path: Path) -> None:
    source = STRATEGY.format(cls="Strange", name="strange")
    distribution(tmp_path, "strangers", {"strange": "strange_mod"}, {"strange_mod": source})
    code = f"import sys; sys.path.append({str(tmp_path)!r})\n" + (
        "from tunebook.host import PluginHost; print(PluginHost().names('strategy'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'strange'" in done.stdout


def test_a_plugin_that_raises_on_import_is_left_out_and_named(site: Path) -> None:
    distribution(site, "cracked", {"crack": "crack_mod"}, {"crack_mod": "raise OSError('no')"})
    with pytest.warns(PluginWarning, match="crack"):
        host = PluginHost()
    assert [broken.origin.plugin for broken in host.broken] == ["crack"]
    assert "lora" in host.names("strategy")
    assert host.listing()[-1].why_not.startswith("OSError('no')")


def test_strict_makes_a_broken_plugin_an_error(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(site, "cracked", {"crack": "crack_mod"}, {"crack_mod": "raise OSError('no')"})
    monkeypatch.setenv("TUNEBOOK_STRICT_PLUGINS", "1")
    with pytest.raises(ConfigError) as caught:
        PluginHost()
    assert caught.value.problems[0].code == "plugin.broken"
    assert "TUNEBOOK_PLUGINS=-crack" in caught.value.problems[0].fix


def test_two_plugins_of_one_name_are_refused_with_both_distributions(site: Path) -> None:
    source = STRATEGY.format(cls="Other", name="lora")
    distribution(site, "rivals", {"other": "rival_mod"}, {"rival_mod": source})
    with pytest.raises(ConfigError) as caught:
        PluginHost()
    (problem,) = caught.value.problems
    assert problem.code == "plugin.duplicate"
    assert "tunebook" in problem.found
    assert "rivals" in problem.found
    assert "TUNEBOOK_PLUGINS=-" in problem.fix


def test_the_advice_for_duplicates_works(site: Path) -> None:
    source = STRATEGY.format(cls="Other", name="lora")
    distribution(site, "rivals", {"other": "rival_mod"}, {"rival_mod": source})
    host = PluginHost(only=["-rivals:other"])
    assert host.origin("strategy", "lora").distribution == "tunebook"


def test_tunebook_plugins_is_applied_before_anything_is_imported(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(site, "marked", {"mark": "mark_mod"}, {"mark_mod": "raise SystemExit(9)"})
    monkeypatch.setenv("TUNEBOOK_PLUGINS", "full,lora")
    host = PluginHost()
    assert host.names("strategy") == ["full", "lora"]
    assert host.names("metric") == []


def test_a_misspelt_name_in_tunebook_plugins_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEBOOK_PLUGINS", "lorra")
    with pytest.raises(ConfigError) as caught:
        PluginHost()
    assert caught.value.problems[0].fix == "did you mean `lora`?"


def test_a_single_file_is_a_plugin(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(STRATEGY.format(cls="Mine", name="mine"))
    host = PluginHost(files=[file])
    assert host.origin("strategy", "mine").distribution == str(file)
    assert type(host.create("strategy", host.get("strategy", "mine").config())).__name__ == "Mine"


def test_a_missing_single_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "my_strategy.py").write_text("")
    with pytest.raises(ConfigError) as caught:
        PluginHost(files=[tmp_path / "my_stratgy.py"], strict=True)
    assert "my_strategy.py" in caught.value.problems[0].fix


def test_a_missing_extra_is_told_before_anything_is_imported(tmp_path: Path) -> None:
    file = tmp_path / "needy.py"
    needs = ', requires=("no_such_pkg",), install="pip install x")'
    source = STRATEGY.format(cls="Needy", name="needy").replace(':Needy")', f':Needy"{needs}')
    file.write_text(source)
    host = PluginHost(files=[file], strict=True)
    info = next(info for info in host.listing() if info.name == "needy")
    assert (info.available, info.why_not) == (False, "needs no_such_pkg: pip install x")
    with pytest.raises(MachineError) as caught:
        host.create("strategy", host.get("strategy", "needy").config())
    assert caught.value.problems[0].fix == "pip install x"
    assert caught.value.exit_code == 6


def test_hosts_share_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(STRATEGY.format(cls="Mine", name="mine"))
    first, second = PluginHost(files=[file]), PluginHost()
    assert "mine" in first.names("strategy")
    assert "mine" not in second.names("strategy")


@pytest.mark.parametrize("stem", ["mine", "my strategy", "my.strategy"])
def test_a_new_host_sees_what_was_edited(tmp_path: Path, stem: str) -> None:
    """Within one second, and with a text of the same length."""
    file = tmp_path / f"{stem}.py"
    source = STRATEGY.format(cls="Mine", name="mine")
    file.write_text(source.replace("From outside.", "As it was 1st"))
    first = PluginHost(files=[file], strict=True)
    file.write_text(source.replace("From outside.", "As it was 2nd"))
    second = PluginHost(files=[file], strict=True)
    told = [host.get("strategy", "mine").summary for host in (first, second)]
    assert told == ["As it was 1st", "As it was 2nd"]
    made = [
        host.create("strategy", host.get("strategy", "mine").config()) for host in (first, second)
    ]
    assert type(made[0]) is not type(made[1])
    assert not (tmp_path / "__pycache__").exists()


def test_a_file_that_breaks_leaves_the_earlier_host_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(STRATEGY.format(cls="Mine", name="mine"))
    host = PluginHost(files=[file])
    file.write_text("def half(")
    with pytest.warns(PluginWarning, match="SyntaxError"):
        assert "mine" not in PluginHost(files=[file]).names("strategy")
    assert type(host.create("strategy", host.get("strategy", "mine").config())).__name__ == "Mine"


def test_one_file_given_twice_is_one_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, copy = tmp_path / "mine.py", tmp_path / "runs" / "mine.py"
    copy.parent.mkdir()
    for each in (file, copy):
        each.write_text(STRATEGY.format(cls="Mine", name="mine"))
    monkeypatch.setenv("TUNEBOOK_PLUGIN_FILES", str(file))
    host = PluginHost(files=[file, copy], strict=True)
    assert host.origin("strategy", "mine").distribution == str(file)


def test_two_files_of_one_name_are_not_taken_for_one_another(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "mine.py")
        files[-1].write_text(STRATEGY.format(cls="Mine", name=name))
    with pytest.raises(ConfigError) as caught:
        PluginHost(files=files, strict=True)
    (problem,) = caught.value.problems
    assert problem.code == "plugin.file_name_taken"
    assert str(files[0]) in problem.found


@pytest.mark.parametrize("name", ["mine.txt", "folder.py"])
def test_what_is_no_python_file_is_told(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir() if name.endswith(".py") else place.write_text("x = 1")
    with pytest.raises(ConfigError) as caught:
        PluginHost(files=[place], strict=True)
    assert caught.value.problems[0].code == "plugin.file_missing"
    assert caught.value.problems[0].found == "another kind of file"


def test_the_advice_for_a_file_that_takes_a_name_of_ours_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(STRATEGY.format(cls="Mine", name="lora"))
    with pytest.raises(ConfigError) as caught:
        PluginHost(files=[file])
    (problem,) = caught.value.problems
    assert problem.code == "plugin.duplicate"
    monkeypatch.setenv(*problem.fix.rpartition(" ")[2].split("=", 1))
    assert PluginHost(files=[file]).origin("strategy", "lora").distribution == str(file)
