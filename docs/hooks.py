"""What mkdocs calls: it is given the pages that `pagemaker` makes beside those that are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from pagemaker.llms import llms_text
from pagemaker.places import ROOT
from pagemaker.site import PICTURES, navigation, other_files, pages


def on_config(config: Any) -> Any:
    """Unfolds the folders that the navigation names."""
    config.nav = navigation(config.nav)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds what doesn't lie in the folder of written pages."""
    made = {path: page.text for path, page in pages().items()} | other_files()
    for path, content in made.items():
        if files.get_file_from_path(path) is None:
            files.append(File.generated(config, path, content=content))
    for source, path in PICTURES.items():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:  # noqa: ARG001
    """Returns the page with its directives carried out and its links moved."""
    return pages()[page.file.src_uri].text


def on_post_build(config: Any) -> None:
    """Writes the site's index for programs, and every page as Markdown beside its HTML."""
    site = Path(config.site_dir)
    (site / "llms.txt").write_text(llms_text(), encoding="utf-8")
    for path, page in pages().items():
        (site / path).write_text(page.text, encoding="utf-8")
