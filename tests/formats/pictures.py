"""Pictures for the tests, made in memory or read from the samples."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

SAMPLES = Path(__file__).parents[2] / "fixtures" / "photos"
RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 160, 40), (30, 40, 200), (230, 220, 40)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def quarters(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Red and green above, blue and yellow below: no turn leaves it the same."""
    image = Image.new("RGB", size)
    half = (size[0] // 2, size[1] // 2)
    image.paste(RED, (0, 0, *half))
    image.paste(GREEN, (half[0], 0, size[0], half[1]))
    image.paste(BLUE, (0, half[1], half[0], size[1]))
    image.paste(YELLOW, (*half, *size))
    return image


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def small(kind: str, **options: object) -> bytes:
    return saved(quarters((32, 24)), kind, **options)


def png(width: int, height: int, *, colour: int, row: bytes, extra: bytes = b"") -> bytes:
    """Write a PNG whose rows are all the same, without holding its pixels."""
    squeeze = zlib.compressobj(6)
    lines = (b"\0" + row) * 64
    pixels = b"".join(squeeze.compress(lines) for _ in range(height // 64))
    pixels += squeeze.compress((b"\0" + row) * (height % 64)) + squeeze.flush()
    depth = 1 if len(row) * 8 < width + 8 else 8
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", pixels)
        + png_chunk(b"IEND", b"")
    )


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
