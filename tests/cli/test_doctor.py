"""`doctor`: what is known to get in the way is found, with the fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunebook import doctor
from tunebook.doctor import KNOWN_BAD, LOOKS, examine

Invoke = Callable[..., Any]


def named(found: list[doctor.Finding], name: str) -> doctor.Finding:
    (finding,) = [each for each in found if each.name == name]
    return finding


def test_this_environment_is_in_order(invoke: Invoke) -> None:
    result = invoke("doctor", "--json", "--no-network")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["healthy"]) == (0, True)
    assert {each["level"] for each in told["findings"]} <= {"ok", "note"}
    names = {each["name"] for each in told["findings"]}
    assert {"packages", "plugins", "processor", "memory", "kernel", "runs", "cache", "hub"} <= names
    assert {"versions", "GPU"} <= names
    assert len(LOOKS) == 7
    assert all(each["fix"] for each in told["findings"] if each["level"] != "ok")
    assert {"python", "torch", "transformers"} <= told["versions"].keys()
    assert {"cpu", "cores", "gpu", "memory_gb"} <= told["hardware"].keys()


@pytest.mark.parametrize(
    ("package", "version", "name", "fix"),
    [
        ("ipykernel", "7.0.1", "ipykernel 7.0.1", 'pip install "ipykernel!=7.0.*"'),
        ("transformers", "5.23.0", "transformers 5.23.0", "environment of its own"),
        ("asyncio", "3.4.3", "asyncio 3.4.3", "pip uninstall asyncio"),
        ("numpy", "1.0", "numpy 1.0", 'pip install "numpy>=1.26"'),
        ("papermill", None, "papermill", 'pip install "papermill>=2.6"'),
    ],
)
def test_packages_that_do_harm_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    version: str | None,
    name: str,
    fix: str,
) -> None:
    real = doctor._version
    pretended = {package: version, "adapters": "1.3.0"}
    monkeypatch.setattr(
        doctor, "_version", lambda asked: pretended[asked] if asked in pretended else real(asked)
    )
    found = [each for each in examine(tmp_path, network=False) if each.level == "wrong"]
    assert name in {each.name for each in found}
    assert any(fix in each.fix for each in found if each.name == name)
    assert len(KNOWN_BAD) == 4


def test_a_broken_plugin_is_told_with_its_fix(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text("raise RuntimeError('surprise')\n")
    result = invoke("doctor", "--json", "--no-network", "--plugin", "noisy.py")
    told = json.loads(result.stdout)
    (broken,) = [each for each in told["findings"] if each["level"] == "wrong"]
    assert result.exit_code == 6
    assert "surprise" in broken["found"]


def test_a_place_without_room_or_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    found = examine(tmp_path / "not" / "yet", network=False)
    assert named(found, "runs").level == named(found, "cache").level == "wrong"
    monkeypatch.undo()
    monkeypatch.setattr(doctor, "LEAST_FREE_GB", 10.0**9)
    finding = named(examine(tmp_path, network=False), "runs")
    assert (finding.level, finding.fix) == ("note", "free some space, or `tunebook cache rm`")


def test_the_hub_is_asked_with_patience_of_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setattr(doctor, "HUB", ("127.0.0.1", 1))
    assert "can't be reached" in named(examine(tmp_path), "hub").found
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert named(examine(tmp_path), "hub").found.startswith("HF_HUB_OFFLINE is set")


@pytest.mark.parametrize(
    ("driver", "cuda", "level", "fix"),
    [
        (False, None, "ok", ""),
        (True, None, "note", "install the build of torch for your CUDA"),
        (True, "12.8", "note", "run nvidia-smi"),
    ],
)
def test_a_gpu_that_is_not_used_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    driver: bool,
    cuda: str | None,
    level: str,
    fix: str,
) -> None:
    import torch

    monkeypatch.setattr(doctor, "DRIVER", tmp_path if driver else tmp_path / "none")
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    found = doctor._graphics(None)
    assert (found.level, found.fix[: len(fix)]) == (level, fix)


def test_more_threads_than_cores_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = doctor.hardware()
    monkeypatch.setattr(doctor, "hardware", lambda: {**about, "threads": 64, "cores": 2})
    found = named(examine(tmp_path, network=False), "threads")
    assert (found.level, found.fix) == ("note", "export OMP_NUM_THREADS=2")
