"""Carries out one run of a batch: ``python -m tunebook.batch JOB.json``."""

from tunebook.batch.job import main

if __name__ == "__main__":
    main()
