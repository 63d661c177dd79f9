"""Writes `docs/public_api.txt`, on purpose: `make public-api`."""

from __future__ import annotations

from pagemaker.python_api import STORED, signatures

if __name__ == "__main__":
    STORED.write_text(signatures(), encoding="utf-8")
