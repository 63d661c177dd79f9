"""The report is one file: complete, honest, safe with hostile text, and readable offline."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from example_results import make_predictions, make_record, make_report
from tunebook.errors import MachineError, Problem, TrainingError
from tunebook.evaluation.baselines import BaselinePredictions
from tunebook.evaluation.figures import confusion_heatmap, per_class_f1, save_figure
from tunebook.evaluation.html import write_report
from tunebook.evaluation.wording import comparison_sentence, headline_sentence
from tunebook.records import Comparison, Estimate, RunDirectory

CASE = {"name": "tickets", "title": "Tickets to teams", "strategy": {"kind": "lora", "r": 8}}
EVIL = "<script>alert('x')</script><img src=\"http://evil.example/x.png\" onerror=alert(1)>"
LINKS = {"src", "href", "action", "srcset", "poster", "data", "background", "formaction"}


class Page(HTMLParser):
    """Tags, attributes and text of a page, as a browser would find them."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.links, self.text, self.alts, self.attributes = [], [], "", [], set()
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}
        self.links += [value for name, value in attributes if name in LINKS]
        self.alts += [value for name, value in attributes if name == "alt"]

    def handle_data(self, data):
        self.text += data


def example(text="my text", label="blood", predicted="bone"):
    return {"text": text, "label": label, "predicted": predicted, "confidence": 0.987}


def test_a_full_report_has_every_section(run, report):
    save_figure(confusion_heatmap(report), run.figures / "confusion.png")
    save_figure(per_class_f1(report), run.figures / "per_class_f1.png")
    record = make_record(report, warnings=("A class is small.",))
    page = Page(write_report(run, record, CASE, [example()]))
    headings = re.findall(r"<h2>(.*?)</h2>", page.source)
    assert headings == [
        "Result",
        "Warnings",
        "Data",
        "What was trained",
        "Errors worth reading",
        "Figures",
        "Learning curve",
        "Each class",
        "Settings",
    ]
    expected = [
        "Tickets to teams",
        str(report.scores["macro_f1"]).split()[0],
        "TF-IDF + logistic regression",
        "by customer",
        "Three texts came twice.",
        "1,000 of 20,000 parameters (5.00%)",
        "bf16: the CPU accelerates bf16",
        "1,234 MB",
        "12.3 s",
        "A class is small.",
        "my text",
        '"kind": "lora"',
        "2.13.0",
    ]
    assert [text for text in expected if text not in page.text] == []
    assert page.tags.count("img") == 2
    assert len([alt for alt in page.alts if alt]) == 2


def test_nothing_is_fetched_from_anywhere(run, report):
    save_figure(confusion_heatmap(report), run.figures / "confusion.png")
    page = Page(write_report(run, make_record(report), CASE, [example(EVIL)]))
    assert len(page.links) == 1
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    style = re.search(r"<style>(.*?)</style>", page.source, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page.source


def test_hostile_text_stays_text_wherever_it_stands(run):
    report = make_report((EVIL, "ordinary"))
    hostile = make_record(
        report,
        case=EVIL,
        strategy=EVIL,
        warnings=(EVIL,),
        versions={EVIL: EVIL},
        data={"card": {EVIL: EVIL}, "splits": {EVIL: 3}, "findings": [{"text": EVIL}, EVIL]},
        model={EVIL: EVIL},
        precision={"name": EVIL, "why": EVIL},
        training={EVIL: [EVIL, {EVIL: EVIL}]},
        seconds={EVIL: 1.0},
        error={"problems": [dict.fromkeys(("code", "where", "expected", "found", "fix"), EVIL)]},
    )
    run.figures.mkdir()
    evil_name = EVIL.replace("/", "_")
    save_figure(confusion_heatmap(report), run.figures / f"{evil_name}.png")
    examples = [example(EVIL, EVIL, EVIL)]
    page = Page(write_report(run, hostile, {"title": EVIL, EVIL: EVIL}, examples))
    assert page.text.count("alert('x')") > 25
    assert "script" not in page.tags
    assert "onerror" not in page.attributes
    assert all(link.startswith("data:") for link in page.links)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(alphabet=st.characters(codec=None), max_size=40))
def test_any_text_can_be_shown(run, text):
    page = Page(
        write_report(run, make_record(None, status="running"), {"title": text}, [example(text)])
    )
    assert page.tags.count("table") == 2  # of the splits and of the examples


def test_unicode_class_names_are_shown(run):
    names = ("血液", "Ærø", "🦴", "عظم")
    page = Page(write_report(run, make_record(make_report(names)), CASE, []))
    assert all(name in page.text for name in names)


@pytest.mark.parametrize("k", [2, 40])
def test_every_class_has_its_row(run, k):
    names = tuple(f"class number {i}" for i in range(k))
    page = Page(write_report(run, make_record(make_report(names)), CASE, []))
    rows = re.findall(r'<th scope="row">(class number \d+)</th>', page.source)
    assert rows == list(names)


def test_a_failed_run_shows_its_error_and_no_result(run):
    problem = Problem("training.diverged", "step 12", "a finite loss", "NaN", "lower the rate")
    error = TrainingError(problem).to_dict()
    page = Page(write_report(run, make_record(None, status="failed", error=error), CASE, []))
    told = ("training.diverged", "step 12", "a finite loss", "NaN", "lower the rate", "failed")
    assert all(text in page.text for text in told)
    assert "<h2>Result</h2>" not in page.source


def test_a_record_that_knows_almost_nothing_can_be_shown(run):
    bare = make_record(
        None, status="running", data={}, parameters={}, precision={}, seconds={}, versions={}
    )
    page = Page(write_report(run, bare.updated(peak_memory_mb=None), {}, []))
    assert "no result yet" in page.text


def test_long_examples_are_cut(run, report):
    page = Page(write_report(run, make_record(report), CASE, [example("word " * 1000)]))
    assert page.text.count("word") == 120
    assert "…" in page.text


def test_a_folder_that_is_gone_is_a_machine_error(tmp_path, report):
    with pytest.raises(MachineError):
        write_report(RunDirectory(tmp_path / "gone"), make_record(report), CASE, [])


def compared(low, value, high):
    return Comparison(
        against="tfidf",
        score="macro_f1",
        difference=Estimate(value=value, low=low, high=high),
    )


@pytest.mark.parametrize(
    ("difference", "place", "verdict"),
    [
        ((0.02, 0.05, 0.08), "lies 0.050 above", "excludes zero."),
        ((-0.01, 0.05, 0.08), "lies 0.050 above", "don't show that either is better"),
        ((-0.08, -0.05, -0.02), "lies 0.050 below", "excludes zero."),
        ((-0.08, -0.05, 0.01), "lies 0.050 below", "don't show that either is better"),
        ((0.0, 0.0, 0.0), "equals", "don't show that either is better"),
        ((0.0, 0.05, 0.1), "lies 0.050 above", "don't show that either is better"),
    ],
)
def test_sentences_claim_no_more_than_the_interval(report, difference, place, verdict):
    sentence = comparison_sentence(report, compared(*difference))
    assert place in sentence
    assert verdict in sentence
    assert "TF-IDF" in sentence


def test_a_primary_score_that_is_not_defined_is_told():
    report = make_report(metrics=[])
    assert headline_sentence(report).startswith("Macro-F1 isn't defined")


def test_the_report_names_a_tie_as_a_tie(run):
    same = make_predictions(("a", "b")).probabilities
    report = make_report(("a", "b"), baselines=[BaselinePredictions("twin", "Twin", same, 0.0)])
    page = Page(write_report(run, make_record(report), CASE, []))
    assert "It equals the baseline “Twin”" in page.text
