"""How the tests of the data floor make a case and load it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tunebook.config import CaseConfig, PluginConfig
from tunebook.data.dataset import Dataset
from tunebook.data.loading import load_dataset
from tunebook.errors import TunebookError
from tunebook.host import PluginHost


@pytest.fixture(scope="session")
def host() -> PluginHost:
    return PluginHost()


@pytest.fixture
def make_case(host: PluginHost) -> Callable[..., CaseConfig]:
    def make(data: dict[str, Any], **sections: Any) -> CaseConfig:
        descriptor = host.get("datasource", data["kind"])
        augmentation = tuple(
            host.get("augmenter", item["kind"]).config(**item)
            for item in sections.pop("augmentation", ())
        )
        return CaseConfig(
            name="t",
            data=descriptor.config(**data),
            model=PluginConfig(kind="unused"),
            strategy=PluginConfig(kind="unused"),
            augmentation=augmentation,
            **sections,
        )

    return make


@pytest.fixture
def load(host: PluginHost, make_case: Callable[..., CaseConfig]) -> Callable[..., Dataset]:
    """Loads rows given as mappings, or a data section with a `kind`."""

    def load_rows(data: Any, **sections: Any) -> Dataset:
        data = data if isinstance(data, dict) else {"kind": "memory", "rows": tuple(data)}
        return load_dataset(make_case(data, **sections), host)

    return load_rows


@pytest.fixture
def refused(load: Callable[..., Dataset]) -> Callable[..., TunebookError]:
    """Loads what must not load, and returns the error."""

    def refuse(data: Any, **sections: Any) -> TunebookError:
        with pytest.raises(TunebookError) as caught:
            load(data, **sections)
        return caught.value

    return refuse


@pytest.fixture
def rows() -> Callable[..., list[dict[str, Any]]]:
    """Makes distinct texts, `count` of each label, two to a group."""

    def make(count: int = 20, labels: Iterable[str] = ("heart", "lung")) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{label}{number}",
                "text": f"text {number} about the {label}",
                "label": label,
                "group": f"{label}{number // 2}",
            }
            for label in labels
            for number in range(count)
        ]

    return make
