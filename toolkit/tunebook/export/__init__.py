"""Trained models on disk."""

from tunebook.export.bundle import Classifier, load_classifier, save_classifier

__all__ = ["Classifier", "load_classifier", "save_classifier"]
