"""Every picture can be drawn, with few classes and many, whatever they are called."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from example_results import make_point, make_report
from tunebook.errors import MachineError
from tunebook.evaluation import figures
from tunebook.evaluation.canvas import short

LONG = "Symptoms, signs and abnormal clinical and laboratory findings, not elsewhere classified"
NAMES = {
    "two": ("no", "yes"),
    "forty": tuple(f"{LONG} {i}" for i in range(40)),
    "hundred": tuple(f"class {i}" for i in range(100)),
    "hostile": ("$x^{$", "a$b", "\\frac{", "%s {0}", "<b>&", "\n\t", "血液 疾病 🦴", "_", "$", ""),
}
EVENTS = [
    *({"type": "step", "step": s, "loss": 3 / s if s != 5 else None} for s in range(1, 30)),
    {"type": "stage", "stage": "training"},
    {"type": "evaluation", "step": 10, "scores": {"macro_f1": 0.4, "loss": 1.0}, "best": True},
    {"type": "evaluation", "step": 20, "scores": {"macro_f1": 0.3, "loss": 1.5}, "best": False},
]


def texts_of(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


def pictures_for(classes):
    report = make_report(classes)
    counts = {name: {"train": 5 * i, "test": i} for i, name in enumerate(classes)}
    return [
        figures.confusion_heatmap(report),
        figures.per_class_f1(report),
        figures.class_balance(counts),
        figures.learning_curve([make_point(report, n) for n in (8, None)], "macro_f1"),
    ]


@pytest.mark.parametrize("names", NAMES)
def test_pictures_of_classes_can_be_drawn(names):
    drawn = pictures_for(NAMES[names])
    assert len(drawn) == 4
    for figure in drawn:
        width, height = figure.get_size_inches()
        assert width < 20
        assert height < 20
        assert figures.to_png(figure).startswith(b"\x89PNG")


def test_class_names_keep_clear_of_one_another():
    heatmap, bars, *_ = pictures_for(tuple(f"{LONG} {i}" for i in range(18)))
    for figure in (heatmap, bars):
        figure.draw_without_rendering()
        labels = figure.axes[0].get_yticklabels()
        boxes = sorted((t.get_window_extent() for t in labels), key=lambda box: box.y0)
        assert len(boxes) == 18
        assert all(below.y1 < above.y0 for below, above in pairwise(boxes))
        assert all(box.x0 >= 0 for box in boxes)


@pytest.mark.parametrize("names", ["two", pytest.param("forty", marks=pytest.mark.slow)])
def test_no_title_is_cut_off(names):
    for figure in pictures_for(NAMES[names]):
        figure.draw_without_rendering()
        title = figure.axes[0]._left_title
        assert title.get_text()
        assert title.get_window_extent().x1 <= figure.bbox.x1


def test_the_heat_map_shows_counts_only_while_they_can_be_read():
    few, many = make_report(("a", "b")), make_report(NAMES["forty"])
    assert str(int(few.confusion[0][0])) in texts_of(figures.confusion_heatmap(few)).split()
    assert len(figures.confusion_heatmap(many).axes[0].texts) == 0


def test_the_bars_are_sorted_and_carry_the_number_of_texts():
    report = make_report(("a", "b", "c"))
    axes = figures.per_class_f1(report).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == sorted(report.per_class["f1"].values())
    assert all(f"({n})" in texts_of(axes.figure) for n in report.support.values())


def test_of_many_classes_the_weakest_are_shown_and_it_says_so():
    figure = figures.per_class_f1(make_report(NAMES["hundred"]))
    assert len(figure.axes[0].patches) == 60
    assert "the 60 lowest of 100" in texts_of(figure)


def test_training_curves_show_loss_scores_and_the_best():
    figure = figures.training_curves(EVENTS, "macro_f1")
    loss, scores = figure.axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert len(loss.lines[0].get_xdata()) == 28
    assert [line.get_label() for line in scores.lines] == ["macro-F1", "best so far"]
    assert list(scores.lines[1].get_xdata()) == [10]


def test_training_curves_of_several_tasks_show_the_mean_and_each_task():
    scores = {"mean_of_tasks": 0.5, "a.accuracy": 0.7, "a.macro_f1": 0.6, "b.macro_f1": 0.4}
    events = [{"type": "evaluation", "step": 10, "scores": scores, "best": True}]
    _, axes = figures.training_curves(events, "").axes
    shown = [line.get_label() for line in axes.lines]
    assert shown == ["mean of tasks", "a macro-F1", "b macro-F1", "best so far"]


def test_each_stage_before_the_task_has_its_own_loss():
    steps = [
        {"type": "stage_step", "stage": name, "step": s, "loss": 2 / s}
        for name, last in (("pretraining", 5), ("contrastive", 9))
        for s in range(1, last + 1)
    ]
    figure = figures.stage_losses([*EVENTS, *steps])
    assert [len(axes.lines[0].get_xdata()) for axes in figure.axes] == [5, 9]
    assert "pretraining" in texts_of(figure)


def test_training_curves_without_events_say_so():
    assert texts_of(figures.training_curves([])).count("not recorded") == 2


def test_the_learning_curve_draws_both_methods_with_bands_on_a_log_axis():
    report = make_report()
    points = [make_point(report, n) for n in (None, 8, 32)]
    axes = figures.learning_curve(points, "macro_f1").axes[0]
    assert axes.get_xscale() == "log"
    assert [list(line.get_xdata()) for line in axes.lines] == [[24, 96, 300]] * 2
    told = texts_of(axes.figure)
    assert "TF-IDF" in told
    assert "8 per class" in told
    assert "all" in told


def test_text_lengths_count_what_is_cut():
    figure = figures.text_lengths([5] * 90 + [200] * 10, 128)
    assert "10.0% of 100 texts are longer than 128 tokens" in texts_of(figure)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert sum(heights) == 100
    assert "0 texts" in texts_of(figures.text_lengths([], 128))


def test_no_bar_of_text_lengths_holds_more_whole_numbers_than_another():
    figure = figures.text_lengths(list(range(1, 601)), 600)
    inner = [bar.get_height() for bar in figure.axes[0].patches if bar.get_x() < 580][1:]
    assert len(inner) > 20
    assert len(set(inner)) == 1


def test_a_missing_table_is_told():
    report = make_report(metrics=[])
    with pytest.raises(ValueError, match="confusion_matrix"):
        figures.confusion_heatmap(report)
    with pytest.raises(ValueError, match="f1"):
        figures.per_class_f1(report)


def test_long_names_are_cut_and_formulas_are_text():
    assert len(short(LONG)) == 38
    assert short("a\n b") == "a b"
    assert short("$5") == r"\$5"


def test_a_picture_shows_itself_in_a_notebook_and_is_saved(tmp_path):
    figure = figures.text_lengths([1, 2, 3], 8)
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    path = figures.save_figure(figure, tmp_path / "new" / "lengths.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_place_that_cannot_be_written_to_is_a_machine_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError):
        figures.save_figure(figures.text_lengths([1], 8), tmp_path / "file" / "lengths.png")


@pytest.mark.slow
def test_the_backend_and_the_style_of_the_user_stay_as_they_were():
    code = (
        "import matplotlib\n"
        "settings = matplotlib.rcParams\n"
        "before = {name: settings._get(name) for name in settings}\n"
        "from tunebook.evaluation import figures\n"
        "figures.to_png(figures.text_lengths([1, 2, 3], 8))\n"
        "import matplotlib.pyplot as plt\n"
        "assert plt.get_fignums() == []\n"
        "changed = {name for name in before if settings._get(name) != before[name]}\n"
        "assert not changed, changed\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_drawing_needs_no_random_numbers():
    before = np.random.get_state()[1].copy()
    figures.to_png(figures.text_lengths([1, 2, 3], 8))
    assert (np.random.get_state()[1] == before).all()
