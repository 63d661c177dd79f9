"""`python -m tunebook.cli` is `tunebook`."""

from tunebook.cli import main

main()
