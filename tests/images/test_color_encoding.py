"""Primaries and transfer functions against `colour-science`, and the standards' own numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from image_files import srgb_encode
from numpy.typing import NDArray

from cvpire.images.decoding import color_encoding as encoding
from cvpire.images.decoding.color_encoding import encoded_to_srgb, from_cicp, is_srgb

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says at import which optional packages it lacks
    colour = pytest.importorskip("colour", reason="colour-science is not installed")

NOISE = np.random.default_rng(2).integers(0, 256, (30, 40, 3), dtype=np.uint8)
DARK = NOISE // 4


@pytest.mark.parametrize(
    ("primaries", "name"),
    [(9, "ITU-R BT.2020"), (12, "Display P3"), (6, "SMPTE 240M"), (5, "ITU-R BT.470 - 625")],
)
def test_primaries(primaries: int, name: str) -> None:
    found = from_cicp(primaries, 8)
    assert found is not None
    space = colour.RGB_COLOURSPACES[name]
    matrix = colour.matrix_RGB_to_RGB(space, colour.RGB_COLOURSPACES["sRGB"], "Bradford")
    expected = srgb_encode((NOISE / 255) @ matrix.T)
    assert abs(encoded_to_srgb(NOISE, found) - expected).max() <= 1


def test_a_white_other_than_d65_is_adapted() -> None:
    found = from_cicp(11, 13)  # DCI's white is greenish
    assert found is not None
    white = np.full((1, 1, 3), 255, np.uint8)
    assert encoded_to_srgb(white, found).tolist() == [[[255, 255, 255]]]
    grey = encoded_to_srgb(np.full((1, 1, 3), 120, np.uint8), found)
    assert abs(grey.astype(int) - 120).max() <= 1


VALUES = np.linspace(0.0, 1.0, 101)


@pytest.mark.parametrize(
    ("transfer", "expected"),
    [
        (4, lambda v: v**2.2),
        (5, lambda v: v**2.8),
        (7, lambda v: colour.models.eotf_SMPTE240M(v)),
        (8, lambda v: v),
        (13, lambda v: colour.models.eotf_sRGB(v)),
        (16, lambda v: colour.models.eotf_ST2084(v) / 203.0),
        (17, lambda v: v**2.6 * 52.37 / 48.0),
        (18, lambda v: colour.models.oetf_inverse_BT2100_HLG(v)),
    ],
)
def test_transfer_functions(transfer: int, expected: object) -> None:
    found = from_cicp(1, transfer)
    assert found is not None and callable(expected)
    assert np.allclose(found.to_linear(VALUES), expected(VALUES), rtol=2e-5, atol=1e-6)


def test_samples_of_8_and_16_bits_and_floats_agree() -> None:
    found = from_cicp(12, 4)
    assert found is not None
    narrow = encoded_to_srgb(NOISE, found)
    assert (encoded_to_srgb(NOISE.astype(np.uint16) * 257, found) == narrow).all()
    floats = encoded_to_srgb((NOISE / 255).astype(np.float32), found)
    assert abs(floats.astype(int) - narrow).max() <= 1
    grey = encoded_to_srgb(NOISE[..., 0], found)
    assert (grey == encoded_to_srgb(np.repeat(NOISE[..., :1], 3, axis=2), found)).all()


def test_sixteen_bits_keep_the_shadows() -> None:
    """One level of 8 linear bits is 13 of sRGB's; from 16 bits, those between are there."""
    linear = from_cicp(1, 8)
    assert linear is not None
    samples = np.arange(0, 257, dtype=np.uint16)[None]
    levels = encoded_to_srgb(samples, linear)[0, :, 0]
    expected = srgb_encode(np.arange(257) / 65535)
    assert abs(levels - expected).max() <= 0.51 and len(set(levels.tolist())) == 14


@pytest.mark.parametrize("pair", [(2, 13), (1, 2), (0, 0), (3, 1), (1, 9), (255, 255)])
def test_unknown_code_points_say_nothing(pair: tuple[int, int]) -> None:
    assert from_cicp(*pair) is None


def test_what_is_srgb() -> None:
    assert is_srgb(from_cicp(1, 13)) and is_srgb(from_cicp(1, 1, is_video=True))  # type: ignore[arg-type]
    for pair in ((12, 13), (1, 8), (1, 16)):
        assert not is_srgb(from_cicp(*pair))  # type: ignore[arg-type]


# --- HDR ------------------------------------------------------------------------------------------


def pq_levels(nits: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Grey samples (1, N) of 16 bits that PQ shows so bright."""
    samples = np.rint(colour.models.eotf_inverse_ST2084(nits) * 65535)
    whole: NDArray[np.uint16] = samples.astype(np.uint16)[None]
    return whole


def test_diffuse_white_and_peak_of_pq() -> None:
    """ST 2094-50: where the peak is 1000 cd/m2, it is SDR's white, and 203 cd/m2 half its light."""
    found = from_cicp(9, 16)
    assert found is not None
    nits = np.array([0.0, 20.3, 101.5, 203.0, 1000.0, 4000.0])
    shown = encoded_to_srgb(pq_levels(nits), found)[0, :, 0]
    expected = srgb_encode(np.array([0.0, 0.05, 0.25, 0.5, 1.0, 1.0]))
    assert abs(shown - expected).max() <= 1


def test_a_peak_of_diffuse_white_needs_no_compression() -> None:
    found = from_cicp(9, 16, peak=203.0)
    assert found is not None
    shown = encoded_to_srgb(pq_levels(np.array([20.3, 101.5, 203.0, 500.0])), found)[0, :, 0]
    assert abs(shown - srgb_encode(np.array([0.1, 0.5, 1.0, 1.0]))).max() <= 1


def test_hlg_at_75_percent_is_diffuse_white() -> None:
    """BT.2408: HLG's 75% signal shows 203 cd/m2 on a display of 1000."""
    found = from_cicp(9, 18)
    assert found is not None
    samples = np.array([[round(0.75 * 65535), 65535]], np.uint16)
    shown = encoded_to_srgb(samples, found)[0, :, 0]
    assert abs(shown - srgb_encode(np.array([0.5, 1.0]))).max() <= 1


def test_tone_mapping_keeps_order_and_hue() -> None:
    found = from_cicp(9, 16)
    assert found is not None
    ramp = np.arange(0, 65536, 64, dtype=np.uint16)[None]
    assert (np.diff(encoded_to_srgb(ramp, found)[0, :, 0].astype(int)) >= 0).all()
    # Inside BT.709's gamut, the shares of the channels stay as they are.
    nits = np.array([300.0, 250.0, 280.0])
    matrix = colour.matrix_RGB_to_RGB(
        colour.RGB_COLOURSPACES["sRGB"], colour.RGB_COLOURSPACES["ITU-R BT.2020"], "Bradford"
    )
    samples = pq_levels(matrix @ nits)[None]
    shown = colour.models.eotf_sRGB(encoded_to_srgb(samples, found)[0, 0] / 255)
    assert np.allclose(shown / shown[0], nits / nits[0], atol=0.02)


@pytest.mark.parametrize(
    "primaries",
    [
        ((0.3, 0.3), (0.3, 0.3), (0.3, 0.3), (0.3, 0.3)),
        ((0.64, 0.33), (0.3, 0.6), (0.47, 0.465), (0.3127, 0.329)),
        ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), (0.9, 0.05)),
        ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), (0.0, 0.0)),
    ],
)
def test_primaries_that_mix_no_white(primaries: tuple[encoding.XY, ...]) -> None:
    red, green, blue, white = primaries
    assert not encoding.is_possible(red, green, blue, white)


def test_primaries_that_mix_white() -> None:
    assert encoding.is_possible((0.64, 0.33), (0.2, 0.7), (0.1, 0.1), (0.32, 0.33))
