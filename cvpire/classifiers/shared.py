"""Classifiers that a process loads once, and again only where their weights have changed."""

from __future__ import annotations

import threading
from functools import lru_cache

from cvpire.classifiers.classifier import Classifier, ClassifierSpec
from cvpire.classifiers.registry import expect_view, find_spec, load_classifier
from cvpire.weights.store import FileState, file_state

# The same is not loaded twice at once.
_lock = threading.Lock()


def shared_classifier(name: str = "auto", *, view: str | None = None) -> Classifier:
    """The same as `load_classifier`, without reading weights anew that have not changed.

    Whoever moves it (`to`) moves it for all: networks are shared, also between views.

    Args:
        name: see `load_classifier`.
        view: see there.

    Raises:
        SettingsError: see there.
        WeightsError: see there; also where the weights were there before and are not now.
    """
    spec = find_spec(name)
    view = expect_view(spec.view if view is None else view)
    with _lock:
        loaded = _loaded(spec)
    # Views share the network: only its wrapper is new.
    return loaded if loaded.view == view else Classifier(loaded.spec, loaded.network, view).eval()


def _loaded(spec: ClassifierSpec) -> Classifier:
    path = spec.weights.locate()
    if path is None and not spec.is_ready:
        return load_classifier(spec.name)  # says what is missing, or it has just come
    try:
        # The state before it is read: what changes meanwhile is read again the next time.
        file = None if path is None else file_state(path)
    except OSError:  # it has just gone: loading it says so
        return load_classifier(spec.name)
    return _load_once(spec, file)


# A page offers few classifiers; the largest has some 100 MB.
@lru_cache(maxsize=4)
def _load_once(spec: ClassifierSpec, file: FileState | None) -> Classifier:
    """Of this spec and this file; a registered network has no file."""
    return load_classifier(spec.name)
