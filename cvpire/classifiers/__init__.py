"""Classifiers: networks with their weights, labels, normalisation and view."""
