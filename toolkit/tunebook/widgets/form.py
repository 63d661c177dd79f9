"""A case as a form: its knobs, all of its fields, what is wrong beside each, and a start button."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import yaml

from tunebook.cases import CaseResolver
from tunebook.config import CaseConfig, Section
from tunebook.errors import ConfigError, Problem, TunebookError
from tunebook.estimates import Wanted, measured_runs, predict
from tunebook.host import PluginHost
from tunebook.records import runs_folder
from tunebook.schema import PLUGIN_FIELDS
from tunebook.widgets.fields import Field, fields_of
from tunebook.widgets.live import LiveRun, start

KNOBS = (
    "seed",
    "train_per_class",
    "training.epochs",
    "training.learning_rate",
    "training.batch_size",
    "training.early_stopping",
)
"""Fields of the simple tab, beside preset, strategy and what the strategy has of its own."""

PICKED = tuple(name for name, (_, is_list) in PLUGIN_FIELDS.items() if not is_list)
"""Fields of a case that are one plugin, picked by name."""


def configure(
    name: str, host: PluginHost | None = None, *, runs_dir: str | Path | None = None
) -> CaseForm:
    """Returns a form for a case; a notebook shows it.

    Args:
        name: Name of a case plugin, or path of a YAML or JSON file.
        host: Plugins to choose from; all installed ones when None.
        runs_dir: Folder for its runs; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None.

    Raises:
        ConfigError: There is no such case, or it has mistakes.
    """
    return CaseForm(name, host or PluginHost(), runs_dir)


class CaseForm:
    """The form of one case.

    Attributes:
        case: The case as the form has it, None while something is wrong.
        problems: What is wrong.
        live: The run that was started last, None before.
    """

    def __init__(self, name: str, host: PluginHost, runs_dir: str | Path | None = None) -> None:
        self.name = name
        self.host = host
        self.runs_dir = runs_dir
        self.problems: tuple[Problem, ...] = ()
        self.live: LiveRun | None = None
        self._resolver = CaseResolver(host, name)
        self.case: CaseConfig | None = self._resolver.resolve({})
        presets = ["default", *(p for p in self._resolver.file.presets if p != "default")]
        self._preset = ipw.Dropdown(options=presets, description="preset")
        self._picked: dict[str, Any] = {}
        self.fields: dict[str, Field] = {}
        self._general, self._summary = ipw.HTML(), ipw.HTML()
        self._copied = ipw.Textarea(layout=ipw.Layout(width="98%", height="160px"))
        self._copy_as = ipw.ToggleButtons(options=[*COPIES], description="copy as")
        self._start = ipw.Button(description="Start", icon="play", button_style="success")
        self._shown = ipw.VBox()
        self._pages = ipw.Tab()
        self.widget = ipw.VBox(
            [
                ipw.HTML(f"<b>{name}</b>"),
                self._pages,
                self._general,
                self._summary,
                self._start,
                ipw.VBox([self._copy_as, self._copied]),
                self._shown,
            ],
            layout=ipw.Layout(max_width="900px"),
        )
        self._preset.observe(lambda _: self._rebuild({}), "value")
        self._copy_as.observe(lambda _: self._check(), "value")
        self._start.on_click(lambda _: self.start())
        self._rebuild({})

    @property
    def parameters(self) -> dict[str, Any]:
        """What differs from the case as it is written: parameters of a run."""
        preset = self._preset.value
        changed = {f.path: f.value for f in self.fields.values() if f.is_changed}
        return {**({"preset": preset} if preset != "default" else {}), **self._kinds(), **changed}

    def start(self) -> LiveRun | None:
        """Starts a run of the case and shows its panel below; nothing while something is wrong."""
        if self.case is None:
            return None
        self.live = start(self.case, self.host, runs_dir=self.runs_dir)
        self._shown.children = [self.live.panel.widget]
        return self.live

    def set(self, path: str, value: Any) -> None:
        """Fills in a field, as a person would.

        Args:
            path: Dotted path, ``preset``, or the name of a field that is a plugin.
            value: What its input takes.
        """
        if path == "preset":
            self._preset.value = value
        elif path in self._picked:
            self._picked[path].value = value
        else:
            self.fields[path].input.value = value

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)

    # how it is made

    def _rebuild(self, kinds: Mapping[str, str]) -> None:
        """Makes all fields anew, for other plugins or another preset; what was filled in stays."""
        filled = {path: f.input.value for path, f in self.fields.items() if f.is_changed}
        preset = self._preset.value
        given = {} if preset == "default" else {"preset": preset}
        try:
            base = self._resolver.resolve({**given, **kinds})
        except TunebookError as error:
            self._complain(error)
            return
        self._base_kinds = {
            n: v["kind"]
            for n, v in self._resolver.resolve(given).to_json_dict().items()
            if n in PICKED and v
        }
        content = base.to_json_dict()
        self._picked = {name: self._picker(name, content) for name in PICKED if content.get(name)}
        self.fields = {field.path: field for field in self._fields(base, content)}
        self._pages.children = [self._simple(), self._all()]
        self._pages.titles = ("simple", "all fields")
        for path, value in filled.items():
            if path in self.fields:
                self.fields[path].input.value = value
        self._check()

    def _picker(self, name: str, content: Mapping[str, Any]) -> Any:
        kind = PLUGIN_FIELDS[name][0]
        found = ipw.Dropdown(
            options=self.host.names(kind),
            value=content[name]["kind"],
            description=name,
            tooltip=CaseConfig.model_fields[name].description or "",
        )
        found.observe(lambda _: self._rebuild(self._kinds()), "value")
        return found

    def _kinds(self) -> dict[str, str]:
        """Returns the plugins that aren't those of the case."""
        return {
            name: picker.value
            for name, picker in self._picked.items()
            if picker.value != self._base_kinds.get(name)
        }

    def _fields(self, base: CaseConfig, content: Mapping[str, Any]) -> Iterator[Field]:
        for name, field in type(base).model_fields.items():
            value = getattr(base, name)
            if name in ("name", "title") or (name in PICKED and value is None):
                continue
            if isinstance(value, Section):
                yield from fields_of(type(value), content[name], f"{name}.", self._check)
            else:
                yield Field(name, field, content[name], self._check)

    def _simple(self) -> Any:
        own = [f for path, f in self.fields.items() if path.startswith("strategy.")]
        knobs = [self.fields[path] for path in KNOBS if path in self.fields]
        rows = [self._preset, self._picked["strategy"]]
        return ipw.VBox([*rows, *(field.widget for field in [*own, *knobs])])

    def _all(self) -> Any:
        """One fold for each section; the rest first."""
        sections: dict[str, list[Any]] = {"case": []}
        for path, field in self.fields.items():
            head, dot, _ = path.partition(".")
            sections.setdefault(head if dot else "case", []).append(field.widget)
        for name, picker in self._picked.items():
            if name != "strategy":
                sections.setdefault(name, []).insert(0, picker)
        pages = [ipw.VBox(widgets) for widgets in sections.values()]
        return ipw.Accordion(pages, titles=[*sections], selected_index=None)

    # what it says

    def _check(self) -> None:
        """Checks the whole case and says beside each field what is wrong with it."""
        try:
            self.case = self._resolver.resolve(self.parameters)
        except TunebookError as error:
            self._complain(error)
        else:
            self.problems = ()
            self._general.value = ""
            for field in self.fields.values():
                field.complain("")
            self._summary.value = f"<i>{self.estimate()}</i>"
        self._start.disabled = self.case is None
        self._copied.value = COPIES[self._copy_as.value](self)

    def _complain(self, error: TunebookError) -> None:
        self.case, self.problems = None, tuple(error.problems)
        beside: dict[str, list[str]] = {}
        rest = []
        for problem in error.problems:
            path = self._field_at(problem.where)
            told = f"{problem.found}, not {problem.expected}. {problem.fix}"
            beside.setdefault(path, []).append(told) if path else rest.append(problem)
        for path, field in self.fields.items():
            field.complain(" ".join(beside.get(path, [])))
        self._general.value = ConfigError(*rest)._repr_html_() if rest else ""
        self._start.disabled = True

    def _field_at(self, where: str) -> str:
        """Returns the field that a problem is about: the one of its path or the nearest above."""
        while where and where not in self.fields:
            where = where.rpartition(".")[0]
        return where

    def estimate(self) -> str:
        """Returns what earlier runs of the case with this strategy took, as a sentence."""
        assert self.case is not None
        earlier = measured_runs(runs_folder(self.runs_dir))
        return f"time: {predict(earlier, Wanted.of(self.case))}"


def as_yaml(form: CaseForm) -> str:
    """Returns the whole case, to be saved as a file."""
    if form.case is None:
        return ""
    return yaml.safe_dump(form.case.to_json_dict(), sort_keys=False, allow_unicode=True)


def as_command(form: CaseForm) -> str:
    """Returns the command that runs it."""
    values = (f"{name}={_worded(value)}" for name, value in form.parameters.items())
    given = " ".join(f"-p {shlex.quote(value)}" for value in values)
    return f"tunebook run {shlex.quote(form.name)} {given}".rstrip()


def as_cell(form: CaseForm) -> str:
    """Returns the parameters cell of its notebook."""
    top = {n: v for n, v in form.parameters.items() if "." not in n}
    inside = {n: v for n, v in form.parameters.items() if "." in n}
    lines = [f"{name} = {value!r}" for name, value in top.items()]
    return "\n".join([*lines, f"overrides = {inside!r}"])


def _worded(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


COPIES = {"YAML": as_yaml, "command": as_command, "cell": as_cell}
"""What a case can be copied as, by name."""
