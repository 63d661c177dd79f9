"""The panel of a run in a notebook: what it does, and buttons for what can be asked of it.

It reads the run's events from disk and asks through its `control.jsonl`, so that it makes no
difference whether the run is a thread of this kernel, another process, or over.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as ipw

from tunebook.controls import CONTROLS, Control, ask, control_of
from tunebook.environment import memory_of
from tunebook.errors import TunebookError
from tunebook.ownership import owner
from tunebook.progress import EventFollower
from tunebook.records import RunDirectory
from tunebook.widgets.buttons import button
from tunebook.widgets.picture import CURVES, PIECES, SMOOTHING, parts, picture
from tunebook.widgets.view import RunView

UPDATES_PER_SECOND = 4
SURE_SECONDS = 5.0
"""For how long a button that ends something waits to be pressed again."""

BUTTONS: Mapping[str, str] = {
    "pause": "pause",
    "resume": "play",
    "checkpoint": "save",
    "evaluate": "check",
    "unfreeze": "unlock",
    "stop": "stop",
    "abort": "times",
}
"""By action, the icon of its button."""


class Panel:
    """Widgets of one run, refreshed by a thread of its own until the run has ended.

    Args:
        run: Its directory.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.view = RunView()
        # of this run alone: those below it, such as its learning curve, have curves of their own
        self._follower = EventFollower(run.events_file, self.view)
        self._lock = threading.Lock()
        self._sure: dict[str, float] = {}
        self._build()
        self.refresh()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the refreshing."""
        self._ended.set()
        self._thread.join(2)

    def refresh(self) -> None:
        """Reads what has happened since, and shows it."""
        with self._lock:
            self._follower.poll()
            for name, text in self._pieces().items():
                if self._shown[name].value != text:
                    self._shown[name].value = text
            self._enable(self.view.ended is None and owner(self.run.path) is not None)

    def picture(self) -> str:
        """Returns the run as HTML without widgets, for a saved notebook."""
        return picture(self._pieces())

    # what it is made of

    def _build(self) -> None:
        shown = self._shown = {name: ipw.HTML() for name in PIECES}
        self._said = ipw.HTML()
        self._log = ipw.ToggleButton(value=False, description="log scale", tooltip="of the loss")
        self._smooth = ipw.FloatSlider(
            value=SMOOTHING,
            min=0,
            max=0.95,
            step=0.05,
            description="smoothing",
            continuous_update=False,
        )
        for setting in (self._log, self._smooth):
            setting.observe(lambda _: self.refresh(), "value")
        self._buttons = {action: self._button(action) for action in BUTTONS}
        self._rate = ipw.Text(placeholder="1e-5", description="rate")
        self._note = ipw.Text(placeholder="a remark for the record", description="note")
        self._forms = [
            self._form(self._rate, "set", lambda text: {"learning_rate": text}),
            self._form(self._note, "note", lambda text: {"text": text}),
        ]
        half = ipw.Layout(flex="1 1 380px")
        curves = [shown[name] for name in CURVES]
        for curve in curves:
            curve.layout = half
        wrap = ipw.Layout(flex_flow="row wrap")
        self.widget = ipw.VBox(
            [
                shown["bar"],
                shown["facts"],
                ipw.HBox(curves, layout=wrap),
                ipw.HBox([self._log, self._smooth], layout=wrap),
                ipw.HBox([self._buttons[action] for action in BUTTONS], layout=wrap),
                ipw.HBox(self._forms, layout=wrap),
                self._said,
                shown["told"],
            ],
            layout=ipw.Layout(max_width="900px"),
        )

    def _button(self, action: str) -> ipw.Button:
        control = CONTROLS[action]
        return button(
            action,
            lambda: self._pressed(action),
            icon=BUTTONS[action],
            tooltip=control.__doc__ or "",
            button_style="danger" if control.destructive else "",
        )

    def _form(
        self, field: ipw.Text, action: str, arguments: Callable[[str], dict[str, Any]]
    ) -> ipw.HBox:
        asking = button(action, lambda: self._ask({"action": action, **arguments(field.value)}))
        self._buttons[f"{action} …"] = asking
        return ipw.HBox([field, asking])

    # what is asked

    def _pressed(self, action: str) -> None:
        """Asks at once, or at the second press where it ends something."""
        if not CONTROLS[action].destructive:
            self._ask({"action": action})
        elif time.monotonic() < self._sure.pop(action, 0):
            self._name(action, action)
            self._ask({"action": action})
        else:
            self._sure[action] = time.monotonic() + SURE_SECONDS
            self._name(action, f"really {action}?")

    def _ask(self, content: Mapping[str, Any]) -> None:
        try:
            control: Control = control_of(content)
            ask(self.run, control, "panel")
        except TunebookError as error:
            self._said.value = error._repr_html_()
            return
        self._said.value = f"<i>asked: {html.escape(str(control))}</i>"

    def _name(self, action: str, text: str) -> None:
        self._buttons[action].description = text

    # what is shown

    def _pieces(self) -> dict[str, str]:
        memory = memory_of(owner(self.run.path))
        settings = {"smoothing": self._smooth.value, "log": self._log.value}
        return parts(self.run.run_id, self.view, memory, **settings)

    def _enable(self, running: bool) -> None:
        paused = self.view.progress.paused
        for action, each in self._buttons.items():
            usable = running and not (
                (action == "pause" and paused) or (action == "resume" and not paused)
            )
            if each.disabled == usable:
                each.disabled = not usable
        for action, until in [*self._sure.items()]:
            if time.monotonic() > until:
                self._sure.pop(action, None)  # it may just have been pressed
                self._name(action, action)

    def _keep_up(self) -> None:
        while not self._ended.wait(1 / UPDATES_PER_SECOND):
            alive = owner(self.run.path) is not None
            self.refresh()
            if not alive:
                return
