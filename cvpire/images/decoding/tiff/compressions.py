"""Compressions of TIFF: their codes, which of them are read, and what the others are called."""

from __future__ import annotations

JPEG, WEBP, NONE = 7, 50001, 1
OLD_JPEG = 6
JPEG_2000 = (33003, 33004, 33005, 34712)
FAX = (2, 3, 4, 32771)
DEFLATE, PACKBITS, LZW = (8, 32946), 32773, 5
WITH_PREDICTOR = (LZW, *DEFLATE, 34925, 50000)  # also LZMA and Zstandard
READ = (NONE, PACKBITS, JPEG, WEBP, *FAX, *JPEG_2000, *WITH_PREDICTOR)
NAMES = {
    **dict.fromkeys((9, 10, 34661), "JBIG compression"),
    32766: "NeXT compression",
    32809: "ThunderScan compression",
    32909: "PixarLog compression",
    **dict.fromkeys((34676, 34677), "SGI LogLuv compression"),
    34887: "LERC compression",
    34892: "lossy JPEG of a raw file",
    34933: "PNG compression",
    34934: "JPEG XR compression",
    **dict.fromkeys((50002, 52546), "JPEG XL compression"),
}
