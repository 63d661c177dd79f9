"""The kinds of task: how each reads its labels, learns them, and says what it has learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunebook.config import TaskConfig
from tunebook.forms.form import UNSCALED, Label, LinearFit, Scale, TaskForm
from tunebook.forms.multi_label import MultiLabel
from tunebook.forms.regression import Regression
from tunebook.forms.single_label import SingleLabel

__all__ = [
    "TASK_FORMS",
    "UNSCALED",
    "Label",
    "LinearFit",
    "Scale",
    "TaskForm",
    "form_of",
]

TASK_FORMS: Mapping[str, type[TaskForm]] = {
    form.kind.name: form for form in (SingleLabel, MultiLabel, Regression)
}
"""By `task.kind`, what knows all of it; nothing else asks which kind a task is of."""


def form_of(task: TaskConfig, classes: Sequence[str] = (), scale: Scale = UNSCALED) -> TaskForm:
    """Returns the form of a task.

    Args:
        task: Its section of the case.
        classes: Class names in the order of the outputs; none before data have been read.
        scale: Unit of the outputs, for numbers.
    """
    return TASK_FORMS[task.kind](task, tuple(classes), scale)
