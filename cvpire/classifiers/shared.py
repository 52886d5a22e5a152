"""Classifiers that a process loads once, and again only where their weights have changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple

from cvpire.classifiers.classifier import Classifier, ClassifierSpec
from cvpire.classifiers.registry import find_spec, load_classifier
from cvpire.errors import SettingsError
from cvpire.images.views import VIEWS
from cvpire.weights.store import FileState, file_state

# A page offers few classifiers; the largest has some 100 MB.
_MOST_KEPT = 4


class _Kept(NamedTuple):
    """A classifier with what it was made of; a registered network has no file."""

    spec: ClassifierSpec
    file: FileState | None
    classifier: Classifier


_kept: OrderedDict[str, _Kept] = OrderedDict()
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
    view = spec.view if view is None else view
    if view not in VIEWS:
        raise SettingsError(f"expected a view of {', '.join(VIEWS)}, got {view!r}")
    with _lock:
        loaded = _loaded(spec)
    # Views share the network: only its wrapper is new.
    return loaded if loaded.view == view else Classifier(loaded.spec, loaded.network, view).eval()


def _loaded(spec: ClassifierSpec) -> Classifier:
    was_ready, path, file = spec.is_ready, spec.weights.locate(), None
    if path is not None:
        with suppress(OSError):  # it has just gone: loading it says so
            # The state before it is read: what changes meanwhile is read again the next time.
            file = file_state(path)
    kept = _kept.pop(spec.name, None)
    if kept is None or kept.spec is not spec or kept.file != file:
        classifier = load_classifier(spec.name)
        if file is None and not was_ready:  # it has just come
            return classifier
        kept = _Kept(spec, file, classifier)
    _kept[spec.name] = kept
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)
    return kept.classifier
