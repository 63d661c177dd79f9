"""JupyterLab in a real browser. `make test-browser` installs what this needs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("TUNEBOOK_CHROMIUM") or shutil.which("chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PICTURES = Path(os.environ.get("TUNEBOOK_SCREENSHOTS", "test-screenshots")).resolve()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab whose files are those of the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={tmp_path}",
        "--IdentityProvider.token=test",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--no-browser",
        "--allow-root",
    ]
    settings = tmp_path / ".config/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    places = {"JUPYTER_CONFIG_DIR": str(tmp_path / ".config"), "HOME": str(tmp_path)}
    log = (tmp_path / "lab.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        cwd=tmp_path,
        env=os.environ | places,
        stdout=log,
        stderr=log,
    )
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{address}/api?token=test")
            break
        except OSError:
            assert server.poll() is None, (tmp_path / "lab.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
    yield address
    server.terminate()
    server.wait(20)
    log.close()


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page of a browser, 900 pixels wide; its last picture is kept."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "chromium isn't installed: `make test-browser` does it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 900, "height": 1100})
        page.set_default_timeout(60_000)
        yield page
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"last-{request.node.name}.png")
        browser.close()


@pytest.fixture
def snap(page: Any) -> Any:
    """Keeps a picture of the page, to be looked at."""

    def take(name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")

    return take
