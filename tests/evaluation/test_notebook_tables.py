"""What a notebook shows of a case and of a result: whole, escaped, without a network."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import tiny
from example_results import make_report
from tunebook.host import PluginHost
from tunebook.results import Comparison, Estimate
from tunebook.schema import CaseSchema
from tunebook.tables import html_table


def cells(page: str) -> list[list[str]]:
    table = ET.fromstring(f"<div>{page}</div>").find("table")
    assert table is not None
    return [["".join(cell.itertext()) for cell in row] for row in table]


def test_text_from_outside_stays_text() -> None:
    page = html_table([("<b>", "&"), ("x", 3)], ("<i>", ""))
    assert cells(page) == [["<i>", ""], ["<b>", "&"], ["x", "3"]]


def test_a_case_has_a_row_for_each_section(tmp_path: Path) -> None:
    content = tiny.case_content(tmp_path)
    content["data"] = {"kind": "memory", "rows": [{"text": "<script>", "label": "a"}] * 500}
    case = CaseSchema(PluginHost()).validate(content)
    shown = cells(case._repr_html_())
    assert [row[0] for row in shown] == [*case.to_json_dict()]
    by_name = dict(shown)
    assert by_name["seed"] == "0"
    assert "<script>" in by_name["data"]
    assert max(map(len, by_name.values())) < 450
    assert "<script>" not in case._repr_html_()


def test_a_comparison_is_a_difference_with_its_interval() -> None:
    comparison = Comparison(
        against="tfidf", score="f1", difference=Estimate(value=0.1, low=0.05, high=0.2)
    )
    assert cells(comparison._repr_html_()) == [["f1 over tfidf", "0.100 [0.050, 0.200]"]]


def test_a_report_shows_the_run_beside_the_baselines() -> None:
    report = make_report()
    shown = cells(report._repr_html_())
    assert shown[0] == ["", *report.scores]
    assert [row[0] for row in shown[1:]] == ["this run", *(b.title for b in report.baselines)]
    assert shown[1][1] == str(next(iter(report.scores.values())))
    assert len(report.baselines) == 2
