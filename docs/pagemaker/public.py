"""The public surface: what may be relied on. Anything that isn't listed here may change any day.

`docs/public_api.txt` holds its signatures. A change of the surface is a change of that file, made
on purpose by `make public-api`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import tunebook


@dataclass(frozen=True)
class Surface:
    """The public names of a module.

    Attributes:
        reader: Whom they are for, in a sentence.
        names: All of them.
    """

    reader: str
    names: tuple[str, ...]


COMPOSITIONS = "Average BatchSplit BLOCKS Block CompositionError Fuse MultiTask NESTINGS Parallel"
SECTIONS = (
    "Bootstrap CaseConfig CheckpointConfig EarlyStopping EvaluationConfig Fractions GivenSplit "
    "GroupedSplit HeadConfig Limits PluginConfig PretrainingConfig SamplingConfig Section "
    "StratifiedSplit TaskConfig TaskSection TextConfig TrainingConfig"
)
PROMISES = (
    "AnyPredictions AugmentationContext Augmenter Card DataSource GroupOf LanguageStrategy Metric "
    "MetricResult ModelFiles ModelSource MultiLabelPredictions ParamGroup Predictions Prepared "
    "RegressionPredictions RestorableStrategy SourceData Stage StageRunner Stateful Strategy "
    "StrategyContext"
)
DESCRIPTORS = (
    "AugmenterPlugin BuiltDescriptor CasePlugin DataSourcePlugin Descriptor ExecutorPlugin "
    "FAMILIES FORMS KINDS MetricPlugin ModelPlugin OBSERVERS Origin StrategyPlugin TASKS Tags "
    "TaskKind TunebookSpecs hookimpl"
)
ERRORS = (
    "ConfigError DataError ExitCode MachineError NotIdenticalError Problem StoppedError "
    "TrainingError TunebookError did_you_mean shorten"
)
RECORDS = (
    "Baseline Comparison CurvePoint Estimate EvalReport RunDirectory RunRecord write_atomically "
    "write_problem"
)
EVENTS = (
    "ControlAnswered Evaluated Event Listener Noted Resumed RunEnded StageStarted StageStep "
    "StepTaken event_of read_events"
)
KIT = (
    "CHECKS Candidate Check CheckFailed CheckResult CheckSkipped checks_for find_candidates "
    "parametrize_checks run_checks"
)

TINY = "case_content rows save_tiny_bert save_tiny_gpt2 save_tiny_t5"

PUBLIC: Mapping[str, Surface] = {
    module: Surface(reader, tuple(names.split()))
    for module, reader, names in (
        ("tunebook", "For notebooks and programs.", " ".join(tunebook.__all__)),
        ("tunebook.specs", "For plugins: hooks, and the descriptors they return.", DESCRIPTORS),
        ("tunebook.config", "For plugins: what configs derive from; what a case is.", SECTIONS),
        ("tunebook.contracts", "For plugins: what each kind promises and is given.", PROMISES),
        ("tunebook.errors", "For all: the one shape of an error, and its exit code.", ERRORS),
        ("tunebook.testing", "For tests of plugins: the conformance kit.", KIT),
        ("tunebook.testing.tiny", "For tests: small models and data.", TINY),
        ("tunebook.testing.running", "For tests: a plugin among the bundled ones.", "open_host"),
        ("tunebook.testing.trials", "For tests: a strategy on a small model.", "prepare"),
        ("tunebook.schema", "For programs: cases as JSON Schema, and checked.", "CaseSchema"),
        (
            "tunebook.composition",
            "For strategies that put adapters together.",
            f"{COMPOSITIONS} Stack check read",
        ),
        ("tunebook.attempts", "For executors: what carries out a batch.", "Attempt Ended Executor"),
        ("tunebook.records", "For observers and readers of runs.", RECORDS),
        ("tunebook.events", "For those who follow a run.", EVENTS),
        ("tunebook.cache", "For plugins that keep files.", "cache_folder file_sha256"),
        ("tunebook.data.dataset", "What `tunebook.load_dataset` returns.", "Dataset"),
        ("tunebook.export.explaining", "What `Run.explain` returns.", "Explanation"),
        ("tunebook.widgets.showing", "What `tunebook.browse` returns.", "Shown"),
        ("tunebook.export", "What `tunebook.load_classifier` returns.", "Classifier"),
        ("tunebook.rates", "What `tunebook.find_learning_rate` returns.", "FoundRate"),
        ("tunebook.widgets.form", "What `tunebook.configure` returns.", "CaseForm"),
        ("tunebook.data.corpus", "For notebooks on pretraining.", "load_corpus"),
        (
            "tunebook.evaluation.figures",
            "For notebooks: a picture of the classes.",
            "class_balance",
        ),
    )
}
"""By module, what of it is public."""
