"""`tunebook kernel`: the kernelspec comes and goes, and servers are shown and stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TUNEBOOK_KERNELS_DIR", str(tmp_path / "k"))


def content(invoke: Invoke, *arguments: object) -> dict[str, object]:
    result = invoke("kernel", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_installing_twice_is_installing_once(invoke: Invoke, tmp_path: Path) -> None:
    for _ in range(2):
        assert content(invoke, "install", "--user")["path"] == str(
            tmp_path / "data" / "kernels" / "tunebook-warm"
        )
    spec = json.loads((tmp_path / "data" / "kernels" / "tunebook-warm" / "kernel.json").read_text())
    assert spec["argv"][0] == sys.executable
    assert spec["metadata"]["kernel_provisioner"]["provisioner_name"] == "tunebook-warm"
    assert str(tmp_path / "data" / "kernels" / "tunebook-warm") in str(content(invoke, "status"))
    assert len(content(invoke, "uninstall")["removed"]) == 1  # type: ignore[arg-type]
    assert content(invoke, "uninstall")["removed"] == []


def test_jupyter_finds_what_is_installed(invoke: Invoke, tmp_path: Path) -> None:
    from jupyter_client.kernelspec import KernelSpecManager

    content(invoke, "install", "--user")
    spec = KernelSpecManager().get_kernel_spec("tunebook-warm")
    assert spec.display_name == "Python 3 (tunebook, warm)"


def test_a_prefix_is_a_folder(invoke: Invoke, tmp_path: Path) -> None:
    given = content(invoke, "install", "--prefix", tmp_path / "env ü")
    assert given["path"] == str(tmp_path / "env ü/share/jupyter/kernels/tunebook-warm")
    (tmp_path / "file").write_text("")
    assert invoke("kernel", "install", "--prefix", tmp_path / "file").exit_code == 2
    assert invoke("kernel", "install", "--user", "--prefix", tmp_path).exit_code == 2


def test_a_place_that_cannot_be_written_to(invoke: Invoke) -> None:
    result = invoke("kernel", "install", "--prefix", "/proc/no", "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)["error"]["problems"][0]["code"] == "environment.not_writable"


def test_no_servers_is_an_answer(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    assert content(invoke, "status")["servers"] == []
    assert content(invoke, "stop")["stopped"] == []
    assert "servers: none" in invoke("kernel", "status").stdout
    monkeypatch.setattr("sys.platform", "darwin")
    assert "not safe on darwin" in str(content(invoke, "status")["unavailable"])


@pytest.mark.parametrize("given", [[], ["stpo"], ["status", "now"], ["install", "--usr"]])
def test_a_wrong_call_is_said_in_the_one_shape(invoke: Invoke, given: list[str]) -> None:
    result = invoke("kernel", *given, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["problems"][0]["code"].startswith("usage.")
