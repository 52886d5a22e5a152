"""CV-PIRE: take a photo's scene away from machines while no person sees a change.

The public names are those of `__all__`. Importing this package imports none of them: each comes
with the module that defines it, when it is first asked for. No import reads weights or opens a
connection, and none imports gradio or pyiqa.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from cvpire.classifiers.classifier import Classifier as Classifier
    from cvpire.classifiers.labels import Labels as Labels
    from cvpire.classifiers.registry import CLASSIFIERS as CLASSIFIERS
    from cvpire.classifiers.registry import load_classifier as load_classifier
    from cvpire.classifiers.registry import register_classifier as register_classifier
    from cvpire.color.ciede2000 import ciede2000 as ciede2000
    from cvpire.color.variance import threshold_map as threshold_map
    from cvpire.errors import CvpireError as CvpireError
    from cvpire.errors import PhotoError as PhotoError
    from cvpire.errors import SettingsError as SettingsError
    from cvpire.errors import Stopped as Stopped
    from cvpire.errors import WeightsError as WeightsError
    from cvpire.images.formats import FileFormat as FileFormat
    from cvpire.images.photo import Photo as Photo
    from cvpire.images.reading import read_photo as read_photo
    from cvpire.metrics.difference import compare as compare
    from cvpire.protection import protect as protect
    from cvpire.protection import protect_batch as protect_batch
    from cvpire.rehearsal import find_scene as find_scene
    from cvpire.rehearsal import rehearse as rehearse
    from cvpire.reports.protected import Protected as Protected
    from cvpire.reports.report import Report as Report
    from cvpire.runs import RUNS as RUNS
    from cvpire.runs import find_run as find_run
    from cvpire.watch import AttackStep as AttackStep
    from cvpire.watch import Watch as Watch

_MODULES = {
    "AttackStep": "watch",
    "CLASSIFIERS": "classifiers.registry",
    "Classifier": "classifiers.classifier",
    "CvpireError": "errors",
    "FileFormat": "images.formats",
    "Labels": "classifiers.labels",
    "Photo": "images.photo",
    "PhotoError": "errors",
    "Protected": "reports.protected",
    "RUNS": "runs",
    "Report": "reports.report",
    "SettingsError": "errors",
    "Stopped": "errors",
    "Watch": "watch",
    "WeightsError": "errors",
    "ciede2000": "color.ciede2000",
    "compare": "metrics.difference",
    "find_run": "runs",
    "find_scene": "rehearsal",
    "load_classifier": "classifiers.registry",
    "protect": "protection",
    "protect_batch": "protection",
    "read_photo": "images.reading",
    "register_classifier": "classifiers.registry",
    "rehearse": "rehearsal",
    "threshold_map": "color.variance",
}

__all__ = sorted([*_MODULES, "__version__"])


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
