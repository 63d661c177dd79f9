"""What checkpoints cost: the same training with and without them, in turn.

    python tests/benchmarks/checkpoints.py [rounds] [every]

A BERT as large as MiniLM (22 million parameters, all of them trained) learns the tiny texts in
`STEPS` steps. Each round trains it with a checkpoint after every `every` steps, and without; the
order changes from round to round. Times are wall times, since writing waits for the disk. It says
the seconds of one checkpoint, its bytes, and how often one may be written to cost a hundredth,
which is what `checkpoints.every_seconds` is stretched to.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import heading

import tiny
from tunebook.host import PluginHost
from tunebook.records import RunDirectory
from tunebook.runner import execute
from tunebook.schema import CaseSchema
from tunebook.training.checkpoints import SHARE, Checkpoints

STEPS = 40
HOST = PluginHost()


def save_model(folder: Path) -> Path:
    """Writes an untrained BERT of the size of MiniLM with the tiny vocabulary."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    BertModel(config).save_pretrained(str(folder))
    tiny.save_tokenizer(folder)
    return folder


def seconds(model: Path, place: Path, checkpoints: dict[str, Any]) -> float:
    """Returns the wall time of the training of one run."""
    content = tiny.case_content(model, checkpoints=checkpoints)
    content["training"] |= {"epochs": 100, "max_steps": STEPS, "evaluations": 1}
    content["evaluation"] = {"baselines": [], "bootstrap": {"resamples": 100}}
    directory = RunDirectory.create(place, "tiny", "full")
    case = CaseSchema(HOST).validate(content)
    run = execute(directory, case, HOST, [], pictures=False)
    assert run.record.warnings == ()
    return float(run.record.seconds["training"])


def main(rounds: int = 3, every: int = 8) -> None:
    sizes: list[int] = []
    write = Checkpoints.write

    def counted(self: Checkpoints, snapshot: Any) -> bool:
        sizes.append(snapshot.size)
        return write(self, snapshot)

    Checkpoints.write = counted  # type: ignore[method-assign]
    settings = {"with": {"every_steps": every}, "without": {"limit_gb": 0}}
    times: dict[str, list[float]] = {name: [] for name in settings}
    with tempfile.TemporaryDirectory() as folder:
        model = save_model(Path(folder) / "model")
        for number in range(rounds):
            for name in sorted(settings, reverse=bool(number % 2)):
                times[name].append(seconds(model, Path(folder) / "runs", settings[name]))
    ratios = [a / b for a, b in zip(times["with"], times["without"], strict=True)]
    written = len(sizes) / rounds
    extra = statistics.median(
        (a - b) / written for a, b in zip(times["with"], times["without"], strict=True)
    )
    print(heading())
    print(f"with / without, {written:.0f} checkpoints in {STEPS} steps: {ratios}")
    print(f"median ratio {statistics.median(ratios):.3f}")
    print(f"one checkpoint of {max(sizes) / 2**20:.0f} MB: {extra:.2f} s")
    print(f"by default not before {extra / SHARE:.0f} s of training, so that it costs {SHARE:.0%}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
