"""Using what was trained: `predict`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.cli.history import chosen_run
from tunebook.config import ALONE
from tunebook.errors import ConfigError, DataError, Problem, did_you_mean, shorten
from tunebook.runs import Run

if TYPE_CHECKING:
    from tunebook.records import RunDirectory

Row = tuple[str, Any]


@command("predict")
@click.argument("run")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--file", type=click.Path(path_type=Path), help="A .txt, .csv or .jsonl file.")
@click.option("--column", help="Column of the texts (default: the one the run was trained on).")
@click.option("--pair", "pairs", multiple=True, help="Second text; once for each TEXT.")
@click.option("--pair-column", help="Column of the second texts (default: as in training).")
@click.option("--task", default=ALONE, help="Which task's, where the run trained several.")
@click.pass_obj
def predict_command(
    settings: Settings,
    run: str,
    texts: tuple[str, ...],
    file: Path | None,
    column: str | None,
    pairs: tuple[str, ...],
    pair_column: str | None,
    task: str,
) -> Answer:
    """Classify texts, or the lines or rows of a file, with the model of RUN.

    RUN is a run id, the beginning of one, a folder, or `last`. A model of pairs reads two columns
    of a file, or a `--pair` for each TEXT.
    """
    directory = chosen_run(settings, run)
    problem = _usage_problem(directory, texts, file, column or pair_column)
    columns = {} if problem else _trained_columns(directory, task)
    problem = problem or _pair_problem(columns["pair"], texts, file, pairs, pair_column)
    if problem:
        raise ConfigError(problem)
    read = checked_texts(
        _rows(file, column or columns["text"] or "text") if file else _arguments(texts)
    )
    second = _second_texts(columns["pair"], file, pairs, pair_column)

    from tunebook.export import load_classifier

    classifier = load_classifier(directory, task=task)
    told = classifier.predict(read) if second is None else classifier.predict(read, second)
    inputs = {"text": read} | ({} if second is None else {"pair": second})
    rows = zip(*inputs.values(), strict=True)
    predictions = [
        {**dict(zip(inputs, row, strict=True)), **_plain(prediction)}
        for row, prediction in zip(rows, told, strict=True)
    ]
    data = {"run_id": directory.run_id, "predictions": predictions}
    return Answer(_as_table(predictions, [*inputs]), data)


def _as_table(predictions: Sequence[Mapping[str, Any]], inputs: Sequence[str]) -> str:
    """Returns what is said of each text, and the text, as columns."""
    said = [name for name in predictions[0] if name not in (*inputs, "probabilities")]
    rows = (
        [*(_shown(p[name]) for name in said), *(shorten(p[name], 70) for name in inputs)]
        for p in predictions
    )
    return table(rows, (*said, *inputs))


def _second_texts(
    trained: str | None, file: Path | None, pairs: Sequence[str], column: str | None
) -> list[str] | None:
    """Returns the second texts, None for a model of single texts."""
    if trained is None:
        return None
    return checked_texts(_rows(file, column or trained) if file else _arguments(pairs))


def _pair_problem(
    trained: str | None,
    texts: Sequence[str],
    file: Path | None,
    pairs: Sequence[str],
    pair_column: str | None,
) -> Problem | None:
    """Returns what is wrong with the second texts, for a model of the column `trained`."""
    where = "tunebook predict"
    if trained is None and (pairs or pair_column):
        fix = "drop --pair and --pair-column"
        return Problem("predict.pairs", where, "texts that stand alone", "second texts", fix)
    if trained is None:
        return None
    if file is not None and (pairs or file.suffix.lower() == ".txt"):
        found = "--pair with a file" if pairs else "a .txt file, which has one text a line"
        fix = "give a .csv or .jsonl file with two columns"
        return Problem(
            "predict.pairs", where, f"a column of second texts (`{trained}`)", found, fix
        )
    if file is None and len(pairs) != len(texts):
        found = f"{len(texts)} texts and {len(pairs)} --pair"
        fix = 'write "a text" --pair "its second text"'
        return Problem("predict.pairs", where, "a --pair for each text", found, fix)
    return None


def _shown(value: object) -> str:
    """Returns a class, classes or a number as a cell of a table."""
    if isinstance(value, list):
        return ", ".join(value) or "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _usage_problem(
    run: RunDirectory, texts: Sequence[str], file: Path | None, column: str | None
) -> Problem | None:
    where = "tunebook predict"
    if not run.model.is_dir():
        fix = "choose a run that succeeded: `tunebook runs` lists them"
        return Problem("run.no_model", str(run.path), "a run with a saved model", "none", fix)
    if bool(texts) == (file is not None):
        found = "both" if texts else "neither"
        return Problem("predict.input", where, "texts or --file", found, 'add "a text"')
    if column and (file is None or file.suffix.lower() not in (".csv", ".jsonl")):
        fix = "drop --column"
        return Problem("predict.column", where, "--column with a .csv or .jsonl", "none", fix)
    return None


def _plain(value: Any) -> Any:
    """Returns a prediction in JSON types, whatever number types it was made of."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str) else float(value)


def checked_texts(rows: Iterable[Row]) -> list[str]:
    """Returns the texts of (place, value) rows.

    Raises:
        DataError: Some are empty or no texts; with up to ten of these rows.
    """
    rows = [*rows]
    problems = [
        Problem("predict.bad_text", place, "a text", shorten(value, 60), "fill it or drop the row")
        for place, value in rows
        if not (isinstance(value, str) and value.strip())
    ]
    if problems:
        raise DataError(*problems[:10])
    return [value for _, value in rows]


def _arguments(texts: Sequence[str]) -> list[Row]:
    return [(f"text {number}", text) for number, text in enumerate(texts, 1)]


def _rows(file: Path, column: str) -> list[Row]:
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        fix = "rename it, or convert it"
        found = file.suffix or "no ending"
        expected = "a file ending in " + ", ".join(READERS)
        raise ConfigError(Problem("predict.file_kind", str(file), expected, found, fix))
    try:
        content = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        names = [str(neighbour) for neighbour in file.parent.glob(f"*{file.suffix}")]
        found = error.strerror or str(error)
        fix = did_you_mean(str(file), names)
        raise DataError(Problem("predict.unreadable", str(file), "a file", found, fix)) from error
    except UnicodeDecodeError as error:
        fix = "save it as UTF-8"
        problem = Problem("predict.encoding", str(file), "UTF-8 text", str(error), fix)
        raise DataError(problem) from error
    rows = reader(file, content, column)
    if not rows:
        raise DataError(Problem("predict.empty", str(file), "some rows", "none", "fill the file"))
    return rows


def _trained_columns(run: RunDirectory, task: str) -> dict[str, str | None]:
    """Returns which columns the texts and the second texts of the task's data were in.

    Raises:
        ConfigError: The run has several tasks, and none of this name.
    """
    view = Run(run)
    if task != ALONE or view.tasks:
        view = view.task(task)
    try:
        found = view.case["task"]
        return {name: found.get(name) for name in ("text", "pair")}
    except (ConfigError, KeyError, TypeError, AttributeError):
        return {"text": None, "pair": None}


def _read_lines(file: Path, content: str, column: str) -> list[Row]:  # noqa: ARG001 - one shape
    lines = content.removesuffix("\n").split("\n") if content else []
    return [(f"{file}:{number}", line.strip()) for number, line in enumerate(lines, 1)]


def _read_csv(file: Path, content: str, column: str) -> list[Row]:
    csv.field_size_limit(2**31 - 1)
    try:
        reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
        columns = [*(reader.fieldnames or ())]
        _require_column(str(file), column, columns)
        return [(f"{file}: row {number}", row[column]) for number, row in enumerate(reader, 1)]
    except csv.Error as error:
        problem = Problem("predict.csv", str(file), "CSV", str(error), "mend that row")
        raise DataError(problem) from error


def _read_jsonl(file: Path, content: str, column: str) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            found = str(error)
        else:
            if isinstance(row, dict):
                _require_column(f"{file}:{number}", column, [*row])
                rows.append((f"{file}:{number}", row[column]))
                continue
            found = shorten(row, 60)
        place = f"{file}:{number}"
        raise DataError(Problem("predict.jsonl", place, "a JSON object", found, "mend the line"))
    return rows


def _require_column(where: str, column: str, columns: Sequence[str]) -> None:
    if column not in columns:
        fix = did_you_mean(column, columns)
        fix = f"{fix} (set it with --column)" if columns else fix
        found = f"`{column}` is missing"
        raise DataError(Problem("predict.column", where, "a column of texts", found, fix))


READERS = {".txt": _read_lines, ".csv": _read_csv, ".jsonl": _read_jsonl}
"""By a file's ending, what reads (place, value) rows from its content."""
