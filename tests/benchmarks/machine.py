"""What the figures were measured on, printed above every table."""

from __future__ import annotations

from tunebook.environment import hardware, package_versions


def heading() -> str:
    """Returns the machine and the versions in one line each."""
    machine, versions = hardware(), package_versions()
    names = ("python", "torch", "transformers", "adapters", "peft")
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine['memory_gb']} GB, GPU: {machine['gpu']}\n"
        + ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
    )
