"""The README's picture: a computed landscape, protected. `python docs/figure.py` writes it.

The landscape is drawn here from random numbers, so that the picture belongs to the project: fractal
terrain with rock, grass and snow, seen across a lake.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

HEIGHT, WIDTH = 512, 640
HORIZON = 0.52
Grey = NDArray[np.float64]


def fractal(side: int, exponent: float, seed: int) -> Grey:
    """Noise whose spectrum falls as frequency^-exponent: (side, side), in [0, 1]."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1.0
    spectrum = np.fft.fft2(random.normal(size=(side, side))) / frequency**exponent
    spectrum[0, 0] = 0.0
    field = np.fft.ifft2(spectrum).real
    scaled: Grey = (field - field.min()) / (field.max() - field.min())
    return scaled


def terrain() -> tuple[Grey, NDArray[np.float64]]:
    """Heights (1024, 1024) and sunlit colours (1024, 1024, 3), in [0, 1]."""
    side = 1024
    height = fractal(side, 2.05, seed=11)
    along = np.linspace(0.0, 1.0, side)[:, None]
    # Low near the viewer, where the lake lies, and mountains behind.
    height = np.clip(height * (0.15 + 1.25 * along**1.4) - 0.12, 0.0, None)
    detail = fractal(side, 0.9, seed=5)
    slope_y, slope_x = np.gradient(height * 260.0)
    light = np.clip(0.55 + 0.5 * (slope_x * 0.8 - slope_y * 0.3), 0.12, 1.25)
    steep = np.clip(np.hypot(slope_x, slope_y) * 1.4, 0.0, 1.0)[..., None]
    grass = np.array([0.22, 0.36, 0.12]) * (0.6 + 0.8 * detail[..., None])
    rock = np.array([0.42, 0.38, 0.35]) * (0.6 + 0.8 * detail[..., None])
    color = grass * (1 - steep) + rock * steep
    snow = np.clip((height[..., None] + 0.12 * detail[..., None] - 0.42) * 9.0, 0.0, 1.0)
    snow *= 1.0 - 0.75 * steep
    color = (color * (1 - snow) + np.array([0.95, 0.96, 1.0]) * snow) * light[..., None]
    return height, color


def landscape() -> NDArray[np.uint8]:
    """The picture, (HEIGHT, WIDTH, 3)."""
    height, color = terrain()
    horizon = int(HEIGHT * HORIZON)
    rows = np.arange(HEIGHT)[:, None] / horizon
    sky_top, sky_low = np.array([0.25, 0.47, 0.80]), np.array([0.80, 0.87, 0.95])
    picture = np.broadcast_to(
        (sky_top + (sky_low - sky_top) * np.clip(rows, 0, 1)[..., None]), (HEIGHT, WIDTH, 3)
    ).copy()
    clouds = np.clip((fractal(1024, 1.7, seed=3)[: 2 * horizon : 2, :WIDTH] - 0.55) * 4.0, 0, 1)
    picture[:horizon] += (1.0 - picture[:horizon]) * clouds[..., None] * 0.9

    columns = np.arange(WIDTH)
    lowest = np.full(WIDTH, horizon)
    for step in range(1, 900):
        distance = step / 900.0
        depth = int(distance * 1023)
        across = ((columns / WIDTH - 0.5) * (0.25 + 0.75 * distance) + 0.5) * 1023
        here = height[depth, across.astype(int)]
        top = (horizon - (here * 330.0) / (0.35 + distance)).astype(int)
        shade = color[depth, across.astype(int)]
        haze = 0.55 * distance**2
        shade = shade * (1 - haze) + sky_low * haze
        for column in np.nonzero((here > 0.0) & (top < lowest))[0]:
            picture[max(0, top[column]) : lowest[column], column] = shade[column]
            lowest[column] = max(0, top[column])

    # The lake mirrors what is above it, broken by ripples that grow towards the viewer.
    below = np.arange(HEIGHT - horizon)
    ripples = fractal(1024, 1.1, seed=8)[: HEIGHT - horizon, :WIDTH] - 0.5
    source = horizon - 1 - below[:, None] + ripples * (4 + 0.35 * below[:, None])
    source = np.clip(source, 0, horizon - 1).astype(int)
    mirrored = picture[source, columns[None, :]]
    water = np.array([0.10, 0.20, 0.26])
    strength = (0.75 - 0.35 * below / len(below))[:, None, None]
    picture[horizon:] = mirrored * strength + water * (1 - strength)
    picture[horizon:] += ripples[..., None] * 0.12
    grain = np.random.default_rng(1).normal(0.0, 0.012, picture.shape)
    return np.asarray(np.clip(picture + grain, 0.0, 1.0) * 255.0 + 0.5, dtype=np.uint8)


def main() -> None:
    """Protect the landscape and draw what happened."""
    # Imported late: the landscape alone needs none of it.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from cvpire.classifiers.classifier import Prediction
    from cvpire.classifiers.registry import load_classifier
    from cvpire.color.heatmap import heatmap
    from cvpire.images.photo import Photo
    from cvpire.protection import protect
    from cvpire.runs import find_run

    classifier = load_classifier("scenes")
    original = Photo(landscape())
    protected = protect(original, classifier, find_run("Top5-L1"))
    report = protected.report
    print(report.sentence(), report.difference)
    change = protected.photo.pixels.astype(int) - original.pixels
    amplified = np.clip(128 + 16 * change, 0, 255).astype(np.uint8)

    def best(predictions: tuple[Prediction, ...]) -> str:
        return ", ".join(f"{p.name} {p.probability:.0%}" for p in predictions[:3])

    panels = [
        (original.pixels, f"before: {best(report.before)}"),
        (protected.photo.pixels, f"after: {best(report.after)}"),
        (heatmap(protected.threshold_map), "threshold map: bright where change stays unseen"),
        (amplified, f"the change, 16 times (SSIM {report.difference.ssim:.4f})"),
    ]
    figure, axes = pyplot.subplots(2, 2, figsize=(13, 11), layout="constrained")
    for axis, (picture, title) in zip(axes.flat, panels, strict=True):
        axis.imshow(picture)
        axis.set_title(title, fontsize=13)
        axis.set_axis_off()
    figure.savefig(ROOT / "docs" / "example.jpg", dpi=90, pil_kwargs={"quality": 92})


if __name__ == "__main__":
    main()
