# The public names: type checkers read them here, and `lazy_loader` imports by this list.

from .classifiers.classifier import Classifier as Classifier
from .classifiers.labels import Labels as Labels
from .classifiers.registry import CLASSIFIERS as CLASSIFIERS
from .classifiers.registry import load_classifier as load_classifier
from .classifiers.registry import register_classifier as register_classifier
from .color.ciede2000 import ciede2000 as ciede2000
from .color.variance import threshold_map as threshold_map
from .errors import CvpireError as CvpireError
from .errors import PhotoError as PhotoError
from .errors import SettingsError as SettingsError
from .errors import Stopped as Stopped
from .errors import WeightsError as WeightsError
from .images.formats import FileFormat as FileFormat
from .images.photo import Photo as Photo
from .images.reading import read_photo as read_photo
from .metrics.difference import compare as compare
from .protection import protect as protect
from .protection import protect_batch as protect_batch
from .rehearsal import find_scene as find_scene
from .rehearsal import rehearse as rehearse
from .reports.protected import Protected as Protected
from .reports.report import Report as Report
from .runs import RUNS as RUNS
from .runs import find_run as find_run
from .watch import AttackStep as AttackStep
from .watch import Watch as Watch

__version__: str
__all__: list[str]
