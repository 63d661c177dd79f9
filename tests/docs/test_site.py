"""The site builds, strictly, with everything in it. `make docs` installs what that needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from documented import ROOT
from pagemaker.site import pages


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="`make docs` installs it")
    pytest.importorskip("material", reason="`make docs` installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        [*command, "--config-file", str(ROOT / "docs/mkdocs.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    for path, page in pages().items():
        assert (tmp_path / path).read_text(encoding="utf-8") == page.text
        stem = path.removesuffix(".md")
        html = tmp_path / ("index.html" if stem == "index" else f"{stem}/index.html")
        html = tmp_path / f"{stem}.html" if stem.endswith("/index") else html
        assert html.is_file(), path
    assert len([*tmp_path.rglob("index.html")]) >= len(pages())
    assert "](how-to/run-a-batch.md)" in (tmp_path / "llms.txt").read_text(encoding="utf-8")
