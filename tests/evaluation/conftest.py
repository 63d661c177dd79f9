import pytest

from example_results import make_report
from tunebook.records import RunDirectory


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path, "tickets", "lora")


@pytest.fixture
def report():
    return make_report()
