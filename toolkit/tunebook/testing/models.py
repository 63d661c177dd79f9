"""What a model plugin promises: files that are there, pass the gate, and make a model."""

from __future__ import annotations

from pathlib import Path

from tunebook.contracts import ModelFiles
from tunebook.errors import TunebookError, shorten
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import CheckFailed, CheckSkipped, check, demand

TEXT = "Acute pain in the left lower leg."


def _files(candidate: Candidate) -> ModelFiles:
    files = candidate.once("files", lambda: candidate.create().files())
    demand(isinstance(files, ModelFiles), f"files gives {shorten(files)}", "return ModelFiles")
    return files


def _folder(candidate: Candidate) -> Path:
    """Returns the local folder of the model; nothing is downloaded for a check."""
    folder = _files(candidate).folder
    if folder is None:
        raise CheckSkipped("the model lies on the hub, and a check downloads nothing")
    return folder


@check("model", cost="slow")
def files_are_named_alike_each_time(candidate: Candidate) -> None:
    """`files` names the source, says the same each time, and its folder exists if it has one."""
    files = _files(candidate)
    demand(files.source.strip(), "no source", "name the hub repository or the folder")
    demand(candidate.create().files() == files, "other files", "let the config alone decide")
    there = files.folder is None or files.folder.is_dir()
    demand(there, f"no folder {files.folder}", "name a folder with config.json and weights")


@check("model", cost="slow")
def files_pass_the_gate(candidate: Candidate) -> None:
    """Its folder has safetensors weights, no remote code, and the hashes that it declares."""
    from tunebook.models.gate import check_folder

    folder, files = _folder(candidate), _files(candidate)
    try:
        check_folder(folder, files.sha256)
    except TunebookError as error:
        problem = error.problems[0]
        raise CheckFailed(f"{problem.where}: {problem.found}", problem.fix) from error


@check("model", cost="slow")
def it_encodes_a_text(candidate: Candidate) -> None:
    """Tokenizer and weights load, and make finite states of a text."""
    import torch

    from tunebook.models.load import load_backbone, load_tokenizer

    folder = _folder(candidate)
    tokenizer, backbone = load_tokenizer(folder), load_backbone(folder)
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    with torch.inference_mode():
        output = backbone(input_ids=ids, attention_mask=torch.ones_like(ids))
    finite = bool(output.last_hidden_state.isfinite().all())
    demand(finite, "states that are not finite", "write the weights again")
