"""Trained models on disk."""

from tunebook.export.bundle import (
    Classifier,
    load_classifier,
    load_classifiers,
    save_classifier,
)

__all__ = ["Classifier", "load_classifier", "load_classifiers", "save_classifier"]
