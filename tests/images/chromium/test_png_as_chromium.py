"""What a viewer shows of odd PNG files: Chromium's own pixels beside ours."""

from __future__ import annotations

import chromium_helpers
import numpy as np
import pytest
from chromium_helpers import CLEAR, P3_PROFILE, RAMP, Show, expect_same
from image_files import chrm, chunk, cicp, cmyk_profile, gama, grey_profile, png_of, save
from PIL import Image

from cvpire.images.reading import read_photo

show = chromium_helpers.show

NOISE = np.random.default_rng(4).integers(0, 256, (40, 60, 3), dtype=np.uint8)
DISPLAY_P3 = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
PROPHOTO = (0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001)


def iccp(profile: bytes) -> bytes:
    import zlib

    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


PNGS = {
    **{
        f"cICP {p} {t}": png_of(NOISE, cicp(p, t)) for p in (1, 4, 5, 6, 9, 11, 12) for t in (1, 13)
    },
    **{f"cICP transfer {t}": png_of(RAMP, cicp(1, t)) for t in (4, 5, 6, 7, 8, 14, 15, 17)},
    "cICP unspecified": png_of(RAMP, cicp(2, 2)),
    "cICP unspecified, gAMA": png_of(RAMP, cicp(2, 2), gama(1.0)),
    "cICP logarithmic, gAMA": png_of(RAMP, cicp(12, 10), gama(1.0)),
    "cICP narrow range": png_of(RAMP, cicp(12, 13, full_range=0)),
    "cICP before iCCP": png_of(NOISE, cicp(12, 13), iccp(grey_profile(1.0))),
    "cICP of grey": png_of(RAMP[..., 0], cicp(9, 8)),
    "cICP and alpha": png_of(CLEAR, cicp(12, 13)),
    "cICP and 16 bits": png_of(CLEAR.astype(np.uint16) * 257, cicp(12, 13)),
    "gAMA 1": png_of(RAMP, gama(1.0)),
    "gAMA 1, 16 bits": png_of(RAMP.astype(np.uint16) * 257, gama(1.0)),
    "gAMA 1.8, 16-bit grey": png_of(RAMP[..., 1].astype(np.uint16) * 257, gama(1 / 1.8)),
    "gAMA 2.2 alone": png_of(RAMP, gama(0.45455)),
    "gAMA 2.2, Adobe's cHRM": png_of(NOISE, gama(0.45455), chrm(*ADOBE)),
    "gAMA 1.8, ProPhoto's cHRM": png_of(NOISE, gama(1 / 1.8), chrm(*PROPHOTO)),
    "gAMA 0": png_of(RAMP, gama(0.0)),
    "cHRM alone": png_of(NOISE, chrm(*DISPLAY_P3)),
    "cHRM of one colour": png_of(RAMP, gama(1.0), chrm(*(0.3,) * 8)),
    "sRGB before gAMA": png_of(RAMP, chunk(b"sRGB", b"\0"), gama(1.0), chrm(*DISPLAY_P3)),
    "iCCP before sRGB and gAMA": png_of(NOISE, iccp(P3_PROFILE), chunk(b"sRGB", b"\0"), gama(1.0)),
    "damaged iCCP, gAMA": png_of(RAMP, iccp(b"nonsense" * 30), gama(1.0)),
    "grey with an RGB profile": png_of(RAMP[..., 0], iccp(P3_PROFILE)),
    "RGB with a grey profile": png_of(RAMP, iccp(grey_profile(1.0))),
    "RGB with a CMYK profile": png_of(RAMP, iccp(cmyk_profile(0))),
    "palette and gAMA": (lambda d: d[:33] + gama(1.0) + d[33:])(
        save(Image.fromarray(RAMP).quantize(50), "PNG")
    ),
}


@pytest.mark.parametrize("name", PNGS)
def test_colours_of_png(show: Show, name: str) -> None:
    expect_same(show(PNGS[name], "png"), PNGS[name])


def light_level(peak: int) -> bytes:
    return chunk(b"cLLI", (peak * 10_000).to_bytes(4, "big") + (100 * 10_000).to_bytes(4, "big"))


def mastering(peak: int) -> bytes:
    return chunk(b"mDCV", bytes(16) + (peak * 10_000).to_bytes(4, "big") + (50).to_bytes(4, "big"))


HDR = {
    "PQ": png_of(NOISE, cicp(9, 16)),
    "PQ, P3": png_of(NOISE, cicp(12, 16)),
    "PQ, BT.709": png_of(NOISE, cicp(1, 16)),
    "PQ of 16 bits": png_of(RAMP.astype(np.uint16) * 257, cicp(9, 16)),
    "PQ of grey": png_of(RAMP[..., 0], cicp(9, 16)),
    "PQ, 400 cd/m2 at most": png_of(NOISE, cicp(9, 16), light_level(400)),
    "PQ, 4000 cd/m2 at most": png_of(NOISE, cicp(9, 16), light_level(4000)),
    "PQ, from a screen of 600 cd/m2": png_of(NOISE, cicp(9, 16), mastering(600)),
    "HLG": png_of(NOISE, cicp(9, 18)),
    "HLG and alpha": png_of(CLEAR, cicp(9, 18)),
    "HLG, 400 cd/m2 at most": png_of(NOISE, cicp(9, 18), light_level(400)),
}


@pytest.mark.parametrize("name", HDR)
def test_hdr_of_png(show: Show, name: str) -> None:
    expect_same(show(HDR[name], "png"), HDR[name], most=1.0)
    assert any("HDR" in note for note in read_photo(HDR[name]).notes)


def test_a_difference_would_be_seen(show: Show) -> None:
    """The comparison is no formality: as stored, linear samples are far from what is shown."""
    shown = show(PNGS["gAMA 1"], "png")
    with pytest.raises(AssertionError):
        expect_same(shown, png_of(RAMP))
