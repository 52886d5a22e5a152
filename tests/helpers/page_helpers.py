"""What the tests of the page share: the served page, a small photo, an attack without an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image

import app
from cvpire.watch import AttackStep, Watch
from page.handlers import visit
from page.orders import single
from page.server.blocks import Page
from page.server.settings import ServerSettings


@contextmanager
def serve(settings: ServerSettings | None = None) -> Iterator[Page]:
    """The page, served."""
    page = app.build_page(settings)
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, inbrowser=False, **app.LAUNCH
    )
    try:
        yield page
    finally:
        page.close(verbose=False)


def small_photo(folder: Path) -> Path:
    """A photo of 96x96 pixels that carries what must not leave the page."""
    path = folder / "secret-place.jpg"
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x0112] = 6  # orientation
    exif.get_ifd(0x8825)[2] = (52.0, 5.0, 30.0)  # GPS latitude
    with Image.open(app.find_examples()[0][0]) as example:
        side = min(example.size)
        example.crop((0, 0, side, side)).resize((96, 96)).save(path, exif=exif, quality=95)
    return path


class EndlessAttack:
    """Stands for `protect`: steps until its callback ends it, and counts them."""

    def __init__(self) -> None:
        self.steps = 0
        self.started = threading.Event()
        self.ended = threading.Event()
        self.resume = threading.Semaphore(0)

    def __call__(self, *_: object, watch: Watch, **__: object) -> object:
        nothing = torch.zeros(1, dtype=torch.bool)
        try:
            for self.steps in range(1, 10_000):
                watch.step(AttackStep(self.steps, 10_000, nothing, torch.zeros(1)))
                self.started.set()
                # A step ends when the test says so, or else soon.
                self.resume.acquire(timeout=5)
            raise AssertionError("nobody stopped the attack")
        finally:
            self.ended.set()

    def is_stopped_at_next_step(self) -> bool:
        steps = self.steps
        self.resume.release()
        return self.ended.wait(5) and self.steps == steps + 1


@contextmanager
def endless_attack() -> Iterator[EndlessAttack]:
    """The page's jobs protect for ever; in the end, none is left."""
    attack = EndlessAttack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single, "protect", attack)
        yield attack
        for event in list(visit.JOBS._jobs):
            visit.JOBS.leave(event)
        attack.resume.release(5)


def wait_until(is_true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_true()
