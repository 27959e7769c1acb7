"""No photo makes the server hold more than 300 MB while it is decoded (trust K9)."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageOps

from open311.domain.errors import InvalidRequest
from open311.formats import photos
from open311.formats.photos import MAX_SIDE, prepare_photo
from tests.formats.pictures import png, png_chunk, quarters, saved, small

PEAK = """
import re, sys, warnings
from pathlib import Path
from open311.domain.errors import InvalidRequest
from open311.formats.photos import prepare_photo
try:
    photo = prepare_photo(sys.stdin.buffer.read())
    print(f"{photo.width}x{photo.height}")
except InvalidRequest as refusal:
    print(refusal.message)
# VmHWM, not ru_maxrss: that one would count the test's own memory too.
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def prepared_apart(content: bytes) -> tuple[str, int]:
    """Prepare in a process of its own: the answer and its peak memory in MiB."""
    run = subprocess.run(
        [sys.executable, "-c", PEAK], input=content, capture_output=True, check=True
    )
    answer, peak_mib = run.stdout.decode().splitlines()
    return answer, int(peak_mib)


def _webp_header(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size + small("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _resized_jpeg(width: int, height: int) -> bytes:
    content = bytearray(small("JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(content)


FLOODS: dict[str, Callable[[], bytes]] = {
    "PNG 13000²": lambda: png(13_000, 13_000, colour=0, row=b"\xaa" * 1_625),
    "PNG 20000²": lambda: png(20_000, 20_000, colour=0, row=b"\xaa" * 2_500),
    "PNG 40.01 Mpx": lambda: png(6_326, 6_325, colour=0, row=b"\xaa" * 791),
    "PNG 2³¹ wide": lambda: png(2**31 - 1, 1, colour=0, row=b"\xaa" * 2**20),
    "PNG 30 million lines": lambda: png(1, 30_000_000, colour=0, row=b"\x80"),
    "JPEG 65000²": lambda: _resized_jpeg(65_000, 65_000),
    "JPEG 40.01 Mpx": lambda: _resized_jpeg(6_326, 6_325),
    "WEBP 16383²": lambda: _webp_header(16_383, 16_383),
    "WEBP 5000 x 4000": lambda: saved(Image.new("RGB", (5_000, 4_000)), "WEBP", method=0),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_pixel_flood_is_refused_before_it_is_decoded(name: str) -> None:
    content = FLOODS[name]()
    assert len(content) <= 150_000
    answer, peak_mib = prepared_apart(content)
    assert "too many pixels" in answer
    assert peak_mib < 60


def _gradient(width: int, height: int) -> Image.Image:
    level = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (level, ImageOps.flip(level), level))


WORST: dict[str, Callable[[], bytes]] = {
    "PNG RGBA 40 Mpx": lambda: png(
        7_300, 5_479, colour=6, row=bytes(range(256)) * 114 + b"1234" * 4
    ),
    "PNG RGBA square": lambda: png(5_119, 5_119, colour=6, row=b"abcd" * 5_119),
    "PNG of texts": lambda: png(
        7_300,
        5_479,
        colour=2,
        row=b"abc" * 7_300,
        extra=png_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 1_000_000)) * 100
        + png_chunk(b"iCCP", b"k\0\0" + zlib.compress(b"x" * 1_000_000)) * 100,
    ),
    "JPEG 40 Mpx": lambda: saved(_gradient(7_300, 5_479), quality=30),
    "JPEG progressive 40 Mpx": lambda: saved(_gradient(7_300, 5_479), quality=30, progressive=True),
    "JPEG progressive 4:4:4": lambda: saved(
        _gradient(6_000, 6_000), quality=30, progressive=True, subsampling=0
    ),
    "WEBP lossless": lambda: saved(_gradient(4_000, 3_000), "WEBP", lossless=True, method=0),
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_accepted_photo_stays_within_300_megabytes(name: str) -> None:
    answer, peak_mib = prepared_apart(WORST[name]())
    assert "x" in answer
    assert max(map(int, answer.split("x"))) == MAX_SIDE
    assert peak_mib <= 300


def test_a_progressive_photo_whose_coefficients_would_not_fit_is_refused() -> None:
    image = _gradient(7_300, 5_479)
    with pytest.raises(InvalidRequest, match="too many pixels"):
        prepare_photo(saved(image, quality=30, progressive=True, subsampling=0))
    assert prepare_photo(saved(image, quality=30, subsampling=0)).width == MAX_SIDE


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    content = saved(_gradient(640, 480), progressive=True)
    assert photos._scan_count(content) == 10
    last = content.rindex(b"\xff\xda")
    bomb = content[:-2] + content[last:-2] * 1_000 + b"\xff\xd9"
    with pytest.raises(InvalidRequest, match="compliqué"):
        prepare_photo(bomb)


def test_scans_hidden_in_metadata_or_after_the_end_are_not_counted() -> None:
    fake = b"\xff\xda\0\x02" * 200
    assert prepare_photo(saved(quarters(), comment=fake) + b"\0\2" + fake).width == 96
