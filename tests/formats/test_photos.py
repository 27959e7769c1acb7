"""A photo is bounded, redrawn upright and stripped before it is kept (trust K10, K14)."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps

from open311.domain.errors import InvalidRequest, TooLarge
from open311.formats import photos
from open311.formats.photos import (
    MAX_PHOTOS,
    MAX_SIDE,
    MAX_SIZE_BYTES,
    THUMBNAIL_SIDE,
    prepare_photo,
    prepare_photos,
)
from tests.formats.pictures import BLUE, GREEN, RED, YELLOW, opened, quarters, sample, saved, small

NAMES = ["nid-de-poule.jpg", "depot-sauvage.jpg", "lampadaire.png", "banc.webp"]

# Pillow tells of broken metadata by warnings, which the server merely logs.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def gap(a: Image.Image, b: Image.Image) -> int:
    """The largest difference of a level anywhere."""
    bands = ImageChops.difference(a.convert("RGB"), b.convert("RGB")).getextrema()
    return max(int(band[1]) for band in bands)  # type: ignore[index]


def near(pixel: object, colour: tuple[int, int, int], tolerance: int = 14) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=True))


def refused(content: bytes) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        prepare_photo(content)
    assert refusal.value.field == "media"
    assert "media" in refusal.value.message
    return refusal.value.message


# --- ordinary photos ---


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_becomes_a_jpeg_and_a_thumbnail(name: str) -> None:
    assert len(sample(name)) <= 30_000
    photo = prepare_photo(sample(name))
    kept, thumbnail = opened(photo.content), opened(photo.thumbnail)
    assert (kept.format, thumbnail.format) == ("JPEG", "JPEG")
    assert kept.size == (photo.width, photo.height)
    assert max(thumbnail.size) == THUMBNAIL_SIDE
    whole = ImageOps.exif_transpose(opened(sample(name))).convert("RGB")
    assert kept.size == whole.size
    assert gap(kept.resize((8, 8)), whole.resize((8, 8))) <= 6


def test_the_samples_are_what_the_readme_says() -> None:
    exif = opened(sample("nid-de-poule.jpg")).getexif()
    assert exif.get_ifd(0x8825)[2] == (48.0, 48.0, 48.0)
    assert opened(sample("nid-de-poule.jpg")).info["comment"]
    assert opened(sample("depot-sauvage.jpg")).getexif()[0x0112] == 6
    assert [opened(sample(name)).format for name in NAMES] == ["JPEG", "JPEG", "PNG", "WEBP"]


@pytest.mark.parametrize(
    ("size", "kept", "thumbnail"),
    [
        ((1, 1), (1, 1), (1, 1)),
        ((400, 300), (400, 300), (400, 300)),
        ((2560, 10), (2560, 10), (400, 2)),
        ((2561, 1000), (2560, 1000), (400, 156)),
        ((1000, 5000), (512, 2560), (80, 400)),
        ((20000, 3), (2560, 1), (400, 1)),
        ((3, 20000), (1, 2560), (1, 400)),
        ((4032, 3024), (2560, 1920), (400, 300)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_is_scaled_down_never_up(
    kind: str, size: tuple[int, int], kept: tuple[int, int], thumbnail: tuple[int, int]
) -> None:
    photo = prepare_photo(saved(Image.new("RGB", size, GREEN), kind))
    assert (photo.width, photo.height) == kept
    assert opened(photo.content).size == kept
    assert opened(photo.thumbnail).size == thumbnail
    assert near(opened(photo.content).getpixel((0, 0)), GREEN)


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_held_in_any_way_comes_out_upright(kind: str, orientation: int) -> None:
    turn = STORED[orientation]
    stored = quarters() if turn is None else quarters().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(stored, kind, exif=exif)
    photo = prepare_photo(content)
    assert (photo.width, photo.height) == (96, 64)
    kept = opened(photo.content)
    corners = [kept.getpixel(at) for at in ((8, 8), (88, 8), (8, 56), (88, 56))]
    assert all(near(p, c, 40) for p, c in zip(corners, (RED, GREEN, BLUE, YELLOW), strict=True))
    assert gap(kept.resize((2, 2)), ImageOps.exif_transpose(opened(content)).resize((2, 2))) <= 20


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (3, b"\0\0\0\0"),
        (3, b"\x09\0\0\0"),
        (3, b"\xff\xff\0\0"),
        (4, b"\xff\xff\xff\xff"),
        (2, b"un\0\0"),
        (7, b"\xff\0\0\0"),
        (5, b"\x08\0\0\0"),
        (12, b"\xff\xff\xff\x7f"),
    ],
)
def test_an_orientation_that_means_nothing_is_ignored(kind: int, value: bytes) -> None:
    entry = struct.pack("<HHI", 0x0112, kind, 1) + value
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + b"\0" * 4
    content = saved(quarters(), exif=exif)
    assert near(opened(prepare_photo(content).content).getpixel((8, 8)), RED, 40)


def test_broken_metadata_do_not_lose_the_photo() -> None:
    garbage = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xee" * 200
    photo = prepare_photo(saved(quarters(), exif=garbage))
    assert (photo.width, photo.height) == (96, 64)


def _translucent() -> Image.Image:
    image = Image.new("RGBA", (64, 64), (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    return image


@pytest.mark.parametrize(
    ("image", "kind", "left", "right"),
    [
        (_translucent(), "PNG", (255, 255, 255), RED),
        (_translucent(), "WEBP", (255, 255, 255), RED),
        (_translucent().quantize(8), "PNG", (255, 255, 255), RED),
        (_translucent().convert("LA"), "PNG", (255, 255, 255), (86, 86, 86)),
        (Image.new("L", (64, 64), 90), "JPEG", (90, 90, 90), (90, 90, 90)),
        (Image.new("L", (64, 64), 90), "PNG", (90, 90, 90), (90, 90, 90)),
        (Image.new("1", (64, 64), 1), "PNG", (255, 255, 255), (255, 255, 255)),
        (Image.new("I;16", (64, 64), 90 * 256), "PNG", (90, 90, 90), (90, 90, 90)),
        (Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", (255, 0, 0), (255, 0, 0)),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
def test_every_colour_mode_is_read(
    image: Image.Image, kind: str, left: tuple[int, int, int], right: tuple[int, int, int]
) -> None:
    kept = opened(prepare_photo(saved(image, kind)).content)
    assert kept.mode == "RGB"
    assert near(kept.getpixel((4, 32)), left)
    assert near(kept.getpixel((60, 32)), right)


def test_grey_of_sixteen_bits_with_a_transparent_level_is_read() -> None:
    content = saved(Image.new("I;16", (64, 64), 90 * 256), "PNG", transparency=40_000)
    assert near(opened(prepare_photo(content).content).getpixel((4, 4)), (90, 90, 90))


def test_of_an_animation_the_first_picture_is_kept() -> None:
    second = Image.new("RGB", (96, 64), "white")
    for kind in ("PNG", "WEBP"):
        content = saved(quarters(), kind, save_all=True, append_images=[second], duration=100)
        assert near(opened(prepare_photo(content).content).getpixel((8, 8)), RED, 40)


def test_the_jpeg_of_several_pictures_that_phones_make_is_read_as_its_first() -> None:
    second = Image.new("RGB", (48, 32), "white")
    content = saved(quarters(), "MPO", save_all=True, append_images=[second])
    assert opened(content).format == "MPO"
    photo = prepare_photo(content)
    assert (photo.width, photo.height) == (96, 64)
    assert near(opened(photo.content).getpixel((8, 8)), RED, 40)


@pytest.mark.parametrize("size", [(6000, 1500), (1500, 6000), (3001, 2999), (2500, 1900)])
def test_bands_show_no_seam(size: tuple[int, int]) -> None:
    noise = Image.effect_noise((size[0] // 3, size[1] // 3), 20).resize(size)
    image = Image.merge("RGB", (noise, ImageOps.invert(noise), ImageOps.flip(noise)))
    fitted = photos._fitted(size, MAX_SIDE)
    whole = image.resize(fitted, Image.Resampling.LANCZOS)
    # Pillow chooses which way to scale first by the shape: a level or two of rounding.
    assert gap(photos._painted(image, fitted), whole) <= 2


# --- the same in, the same out ---


@pytest.mark.parametrize("name", NAMES)
def test_the_same_file_gives_the_same_photo_in_another_process(name: str) -> None:
    program = (
        "import sys, hashlib; from open311.formats.photos import prepare_photo;"
        "photo = prepare_photo(sys.stdin.buffer.read());"
        "print(hashlib.sha256(photo.content + photo.thumbnail).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], input=sample(name), capture_output=True, check=True
    )
    photo = prepare_photo(sample(name))
    assert photo == prepare_photo(sample(name))
    digest = hashlib.sha256(photo.content + photo.thumbnail).hexdigest()
    assert run.stdout.decode().strip() == digest


def test_several_threads_prepare_photos_at_once() -> None:
    expected = [prepare_photo(sample(name)) for name in NAMES]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(prepare_photo, [sample(name) for name in NAMES] * 4)) == expected * 4


# --- K10: what is no photo ---

NO_PHOTOS = {
    "nothing": b"",
    "text": b"une photo",
    "NUL": b"\0" * 1000,
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "XML": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "HTML": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
    "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) run\n",
    "GIF": saved(quarters(), "GIF"),
    "BMP": saved(quarters(), "BMP"),
    "TIFF": saved(quarters(), "TIFF"),
    "ICO": saved(quarters(), "ICO"),
    "PPM": saved(quarters(), "PPM"),
    "JPEG 2000": saved(quarters(), "JPEG2000"),
    "AVIF": saved(quarters(), "AVIF"),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64,
    "ZIP": b"PK\x03\x04" + b"\0" * 64,
    "PHP": b"\xff\xd8<?php system($_GET['c']); ?>",
    "WAV": b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 64,
}


@pytest.mark.parametrize("name", NO_PHOTOS)
def test_what_is_no_photo_is_refused_whatever_its_name(name: str) -> None:
    assert "JPEG, PNG ou WEBP" in refused(NO_PHOTOS[name]) or name == "PHP"
    refused(NO_PHOTOS[name])


# --- broken and cut files ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [0.02, 0.2, 0.5, 0.8, 0.95])
def test_a_cut_photo_is_refused(name: str, part: float) -> None:
    content = sample(name)
    refused(content[: int(len(content) * part)])


def test_a_png_with_a_spoilt_byte_is_refused() -> None:
    content = bytearray(sample("lampadaire.png"))
    content[len(content) // 2] ^= 0xFF
    assert "abîmée" in refused(bytes(content))


SMALL = [
    small("JPEG", exif=opened(sample("nid-de-poule.jpg")).getexif(), comment=b"x"),
    small("JPEG", progressive=True),
    saved(quarters((32, 24)).convert("CMYK"), "JPEG"),
    saved(quarters((32, 24)), "MPO", save_all=True, append_images=[quarters((8, 8))]),
    small("PNG", exif=opened(sample("depot-sauvage.jpg")).getexif()),
    saved(quarters((32, 24)).quantize(4), "PNG"),
    saved(Image.new("I;16", (32, 24)), "PNG"),
    small("WEBP"),
    small("WEBP", lossless=True, exif=opened(sample("depot-sauvage.jpg")).getexif()),
    saved(_translucent(), "WEBP", save_all=True, append_images=[_translucent()]),
]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    content=st.sampled_from(SMALL),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    cut=st.none() | st.floats(0, 1),
    tail=st.binary(max_size=20),
)
def test_a_spoilt_photo_is_read_or_refused_and_nothing_else(
    content: bytes, changes: list[tuple[float, int]], cut: float | None, tail: bytes
) -> None:
    spoilt = bytearray(content)
    for place, value in changes:
        spoilt[int(place * len(spoilt))] = value
    end = len(spoilt) if cut is None else int(cut * len(spoilt))
    try:
        photo = prepare_photo(bytes(spoilt[:end]) + tail)
    except InvalidRequest:
        return
    assert opened(photo.content).size == (photo.width, photo.height)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"])
)
def test_any_bytes_that_are_no_photo_are_refused(content: bytes, magic: bytes) -> None:
    refused(magic + content)


# --- K14: number and size ---


def test_a_fifth_photo_is_refused() -> None:
    assert len(prepare_photos([sample(NAMES[2])] * MAX_PHOTOS)) == MAX_PHOTOS
    with pytest.raises(InvalidRequest, match="4 photos au plus") as refusal:
        prepare_photos([sample(NAMES[2])] * (MAX_PHOTOS + 1))
    assert refusal.value.field == "media"


def test_no_photo_is_no_fault() -> None:
    assert prepare_photos([]) == []


@pytest.mark.parametrize("size_bytes", [MAX_SIZE_BYTES + 1, 11 * 1024 * 1024])
def test_a_photo_over_ten_megabytes_is_too_large(size_bytes: int) -> None:
    with pytest.raises(TooLarge, match="10 Mo") as refusal:
        prepare_photo(sample("banc.webp").ljust(size_bytes, b"\0"))
    assert refusal.value.field == "media"


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_of_just_ten_megabytes_is_read(name: str) -> None:
    photo = prepare_photo(sample(name).ljust(MAX_SIZE_BYTES, b"\0"))
    assert photo == prepare_photo(sample(name))
