"""A run for its reader: its record, its result, its errors, its model."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.config import ALONE, lay_over
from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.events import read_events
from tunebook.records import (
    Comparison,
    EvalReport,
    RunDirectory,
    RunRecord,
    find_run,
    runs_folder,
)
from tunebook.tables import html_table

if TYPE_CHECKING:
    import pandas as pd

    from tunebook.export import Classifier
    from tunebook.export.explaining import Explanation
    from tunebook.host import PluginHost

TOLD = ("text", "pair", "label", "predicted", "confidence", "error")
"""Columns of the table of errors that a reader wants, where they are there."""


class Run:
    """One execution of a case.

    Attributes:
        directory: The folder of the run.
        task_name: The task that this object is about, `ALONE` for the whole run.
        record: Its last written state; for one task, with the data and the result of that task.
    """

    def __init__(self, directory: RunDirectory, task: str = ALONE) -> None:
        self.directory = directory
        self.task_name = task
        whole = directory.read_record()
        self.record: RunRecord = whole.by_task()[task] if task else whole

    @property
    def place(self) -> RunDirectory:
        """The folder of predictions, errors, figures and report."""
        return self.directory.of_task(self.task_name)

    @property
    def tasks(self) -> dict[str, Run]:
        """The run for each of its tasks, by name; empty for a run of a single task."""
        return {name: Run(self.directory, name) for name in self.record.tasks}

    def task(self, name: str) -> Run:
        """Returns the run for one of its tasks: with its data, scores, errors, classifier.

        Raises:
            ConfigError: It has no such task.
        """
        if name not in self.record.tasks:
            raise ConfigError(self._no_task(f"`{name}`", name))
        return Run(self.directory, name)

    @property
    def id(self) -> str:
        return self.directory.run_id

    @property
    def report(self) -> EvalReport:
        """The result on the split that the run is judged on, by default the test split.

        Raises:
            ValueError: The run has none, since it did not succeed.
            ConfigError: It has one for each task.
        """
        if self.record.tasks:
            raise ConfigError(self._no_task("none", ""))
        if self.record.report is None:
            raise ValueError(f"run {self.id} {self.record.status}: it has no result")
        return self.record.report

    @property
    def case(self) -> dict[str, Any]:
        """The case as it was validated and run."""
        case = self.directory.read_case()
        tasks = case.pop("tasks", {}) if self.task_name else {}
        return lay_over(case, tasks.get(self.task_name, {}))

    @property
    def events(self) -> list[dict[str, Any]]:
        return read_events(self.directory.events_file)

    @cached_property
    def classifier(self) -> Classifier:
        """The trained model."""
        from tunebook.export import load_classifier

        return load_classifier(self.directory, task=self.task_name)

    def predict(self, texts: list[str], pairs: list[str] | None = None) -> pd.DataFrame:
        """Returns each text, the second text if there is one, and the prediction."""
        import pandas as pd

        told = pd.DataFrame(self.classifier.predict(texts, pairs))
        read = {"text": texts} | ({} if pairs is None else {"pair": pairs})
        return pd.DataFrame(read).join(told.drop(columns="probabilities", errors="ignore"))

    def explain(
        self, text: str, *, pair: str | None = None, label: str | None = None
    ) -> Explanation:
        """Returns which words of a text the answer depends on, see `tunebook.export.explaining`.

        Args:
            text: One text.
            pair: Its second text, for a model that reads two.
            label: The class that is asked about; the most probable one when None.
        """
        from tunebook.export.explaining import explain

        return explain(self.classifier, text, pair, label)

    def scores(self) -> pd.DataFrame:
        """Returns every score of the model and of the baselines with its interval."""
        import pandas as pd

        columns = {"this model": self.report.scores}
        columns |= {b.title: b.scores for b in self.report.baselines}
        names = list(self.report.scores)
        return pd.DataFrame(
            {title: [str(scores[n]) for n in names] for title, scores in columns.items()},
            index=pd.Index(names, name=f"{self.report.split} score"),
        )

    def differences(self) -> pd.DataFrame:
        """Returns this model minus each baseline, from paired resamples of the same rows."""
        import pandas as pd

        rows = [
            {"against": comparison.against, **_difference(comparison)}
            for comparison in self.report.comparisons
        ]
        return pd.DataFrame(rows).round(3)

    def compare(self, other: Run, host: PluginHost | None = None) -> pd.DataFrame:
        """Returns this run minus another one, from paired resamples of the same rows.

        Args:
            other: The run that is subtracted.
            host: Plugins, for the metrics; all installed ones when None.

        Raises:
            ConfigError: The other run was scored on other texts or classes, or one has no result.
        """
        import pandas as pd

        from tunebook.evaluation.comparison import compare
        from tunebook.forms import form_of
        from tunebook.host import PluginHost
        from tunebook.schema import CaseSchema

        host = host or PluginHost()
        case = CaseSchema(host).validate(self.case)
        report = compare(
            self.saved(self.place.predictions),
            other.saved(other.place.predictions),
            form_of(case.task, self.report.classes),
            metrics=[host.create("metric", metric) for metric in case.metrics],
            config=case.evaluation,
            seed=case.seed,
        )
        columns = {"this run": report.scores, "other run": report.baselines[0].scores}
        rows = [
            {title: scores[comparison.score].value for title, scores in columns.items()}
            | _difference(comparison)
            for comparison in report.comparisons
        ]
        return pd.DataFrame(rows).set_index("score").round(3)

    def saved(self, table: Path) -> pd.DataFrame:
        """Reads a table about the texts that the run is judged on, such as the predictions.

        Raises:
            ConfigError: The run has several tasks (use `task`), or no result.
        """
        import pandas as pd

        if self.record.tasks:
            raise ConfigError(self._no_task("none", ""))
        if not table.is_file():
            fix = "choose a run that `tunebook runs` lists as succeeded"
            found = self.record.status
            raise ConfigError(Problem("run.no_result", self.id, "a run with a result", found, fix))
        return pd.read_parquet(table)

    def learning_curve(self) -> pd.DataFrame:
        """Returns the primary score by training-set size, beside the TF-IDF baseline."""
        import pandas as pd

        primary = self.report.primary
        rows = [
            {
                "per class": point.train_per_class or "all",
                "training texts": point.train_rows,
                primary: str(point.scores[primary]),
                **{b.title: str(b.scores[primary]) for b in point.baselines if b.name == "tfidf"},
                "difference": next(
                    (
                        str(c.difference)
                        for c in point.comparisons
                        if (c.against, c.score) == ("tfidf", primary)
                    ),
                    "",
                ),
                "seconds": round(point.seconds),
            }
            for point in self.record.learning_curve
        ]
        return pd.DataFrame(rows)

    def errors(self, rows: int = 10) -> pd.DataFrame:
        """Returns the mistakes that the model was surest of; for numbers, the largest errors."""
        errors = self.saved(self.place.errors)
        return errors[[name for name in TOLD if name in errors]].head(rows)

    def figure(self, name: str) -> Any:
        """Returns a picture of the run for a notebook, such as ``confusion``.

        If the run has nothing to draw, it returns a sentence that says so.

        Raises:
            ConfigError: There is no picture of that name in any run.
        """
        from IPython.display import Image, Markdown

        from tunebook.evaluation.gallery import PICTURES

        if name not in PICTURES:
            fix = did_you_mean(name, list(PICTURES))
            raise ConfigError(
                Problem("run.figure", self.id, "the name of a picture", f"`{name}`", fix)
            )
        path = self.place.figures / f"{name}.png"
        if not path.is_file():
            return Markdown(f"*This run has nothing to draw for `{name}`.*")
        return Image(data=path.read_bytes())

    def files(self) -> dict[str, str]:
        """Returns the paths of the files and folders that exist, by name."""
        places = ("notebook", "report", "model", "figures", "predictions", "errors")
        paths = {name: getattr(self.place, name) for name in places}
        return {name: str(path) for name, path in paths.items() if path.exists()}

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.record.status}{self._headline()})"

    def _headline(self) -> str:
        reports = {name: each.report for name, each in self.record.by_task().items()}
        return "".join(
            ", " + f"{name} {report.primary} {report.scores[report.primary]}".strip()
            for name, report in reports.items()
            if report
        )

    def _no_task(self, found: str, name: str) -> Problem:
        names = [*self.record.tasks]
        fix = did_you_mean(name, names) if names else "leave it out: the run has a single task"
        return Problem("run.task", self.id, "the name of a task: run.task(NAME)", found, fix)

    def _repr_html_(self) -> str:
        rows = {
            "run": self.id,
            "status": self.record.status,
            "strategy": self.record.strategy,
            "trained": "{trainable:,} of {total:,} parameters ({share:.2%})".format(
                **self.record.parameters
            )
            if self.record.parameters
            else "",
            "time": f"{self.record.seconds.get('total', 0):.0f} s",
            "result": self._headline().removeprefix(", "),
        }
        return html_table((name, value) for name, value in rows.items() if value)


def _difference(comparison: Comparison) -> dict[str, Any]:
    """Returns a comparison as a row of a table."""
    difference = comparison.difference
    return {
        "score": comparison.score,
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "interval excludes 0": not difference.low <= 0 <= difference.high,
    }


def load_run(name: str, runs_dir: str | Path | None = None) -> Run:
    """Returns a run by folder, id or beginning of an id; ``last`` is the newest.

    Args:
        name: Which run.
        runs_dir: Folder of the runs; ``TUNEBOOK_RUNS_DIR`` or ``runs`` when None.

    Raises:
        ConfigError: There is no such run, or more than one.
    """
    return Run(find_run(runs_folder(runs_dir), name))
