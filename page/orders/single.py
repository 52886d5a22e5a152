"""What one job does: read, protect, score. Knows nothing of the page's components."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cvpire.classifiers.registry import find_spec, shared_classifier
from cvpire.errors import PhotoError
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.protection import protect
from cvpire.rehearsal import Outcome as Rehearsed
from cvpire.rehearsal import find_scene, find_scenes, other_classifiers, rehearse
from cvpire.reports.protected import Protected
from cvpire.reports.target import Target
from cvpire.weights.store import file_sha256
from page.orders.order import Order
from page.orders.scoring import Score, score_both
from page.orders.watching import JobWatch

# A search holds up to 29 float32 copies of a photo (the min runs; Algorithm 1: 15): 25 megapixels
# need some 9 GB, which leaves room on a machine with 16 GB, and few cameras make more.
MAX_PIXELS = 25_000_000


@dataclass(frozen=True, eq=False)
class Outcome:
    """All that a job found out.

    Attributes:
        photo: the original, as read.
        protected: the written file and its report.
        scores: of both photos, by metrics of beauty and quality.
    """

    photo: Photo
    protected: Protected
    scores: tuple[Score, ...]


def carry_out(order: Order, watch: JobWatch) -> Outcome:
    """Protect a photo.

    Args:
        order: what to do.
        watch: told of progress; what it raises ends the work.

    Returns:
        What came out.

    Raises:
        PhotoError: if the file is not a photo that can be read.
        ValueError: for unknown names, or a photo that is too large for the view.
        WeightsError: if the classifier's weights are not on this machine.
    """
    order.run.check(find_spec(order.classifier).read_labels())
    watch.tell("Reading the photo")
    photo = read_photo(order.path, max_pixels=MAX_PIXELS)
    watch.tell("Loading the classifier")
    classifier = shared_classifier(order.classifier, view=order.view)
    watch.tell("Measuring colour variance")
    protected = protect(
        photo,
        classifier,
        order.run,
        file_format=order.file_format,
        seed=order.seed,
        watch=watch,
    )
    watch.check()
    scores: tuple[Score, ...] = (Score(unavailable="there is no protected photo"),)
    if protected.report.verdict.is_success:
        scores = score_both(order.metric, photo, protected.photo, watch)
    return Outcome(photo, protected, scores)


@dataclass(frozen=True)
class RehearsalOrder:
    """What there is to rehearse: kept by the server from the protection, never told by a browser.

    Attributes:
        original: path of the uploaded file.
        protected: path of the file that was made of it.
        target: what it is protected from.
    """

    original: str
    protected: str
    target: Target


def carry_out_rehearsal(order: RehearsalOrder, watch: JobWatch) -> list[Rehearsed]:
    """Look what a protected file survives.

    Args:
        order: what to look at.
        watch: told of progress; what it raises ends the work.

    Raises:
        PhotoError: if the files are gone, or are others now.
        SettingsError: if classifier or run are others than when the file was made.
        WeightsError: if a classifier's weights are not on this machine.
    """
    target = order.target
    watch.tell("Reading both photos")
    if not all(Path(path).is_file() for path in (order.original, order.protected)):
        raise PhotoError("The photo is no longer kept here: protect it again.")
    target.check_file(file_sha256(Path(order.protected)), Path(order.protected).name)
    original, protected = (
        read_photo(path, max_pixels=MAX_PIXELS) for path in (order.original, order.protected)
    )
    classifier = shared_classifier(target.classifier, view=target.view)
    run = target.find_run(classifier)
    attacked = find_scene(classifier, original, str(target.label_index), run=run)
    scenes = find_scenes(attacked, other_classifiers(classifier), original)
    return rehearse(protected, original, scenes, watch=watch)
