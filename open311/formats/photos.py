"""Photos as received: bounded, decoded, upright, redrawn on a blank canvas.

Nothing of the file that came in survives but its pixels: no EXIF (position,
serial number, embedded thumbnail), no comment, no colour profile, and no file
of another type hidden inside. Colours are read as sRGB.

Decoding is the dangerous part, so its memory is bounded before it begins: by
the size in the header, by what the format's decoder is known to hold per pixel,
and by the number of photos decoded at once in the process. The figures below
are peak resident memory measured with Pillow 13.
"""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from open311.domain.errors import InvalidRequest, TooLarge

MAX_PHOTOS = 4
"""Photos per request."""

MAX_SIZE_BYTES = 10 * 1024 * 1024
"""Size of one received photo."""

MAX_PIXELS = 40_000_000
"""Width times height of one received photo."""

MAX_RECEIVED_SIDE = 65_535
"""Width or height of one received photo; Pillow's memory also grows by line."""

MAX_SIDE = 2_560
"""Longest side of a kept photo, in pixels: a plate or a label stays legible, a
12 Mpx photo becomes about 1 MB."""

THUMBNAIL_SIDE = 400
"""Longest side of a thumbnail, in pixels."""

_QUALITY = 85
_FORMATS = ("JPEG", "PNG", "WEBP")
_DECODING_BYTES = 220_000_000
_PNG_BYTES_PER_PIXEL = 4
_WEBP_BYTES_PER_PIXEL = 18  # two canvases, the decoder's own picture, two copies
_BAND_PIXELS = 2_000_000
_MAX_SCANS = 64
_LANCZOS_REACH = 3  # source pixels on each side, per unit of scale

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# All that Pillow raises for files that are not what they say.
_BROKEN = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    struct.error,
)

# The JPEG marker after a scan's bytes, skipping stuffed bytes and restarts.
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\x01\xff\xd0-\xd7])", re.DOTALL)
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"}

_decoding = threading.BoundedSemaphore(2)

# The size is checked below; should that ever be undone, Pillow refuses too.
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo fit to be published.

    Attributes:
        content: JPEG bytes, longest side at most `MAX_SIDE`.
        width: of the content, in pixels, upright.
        height: of the content, in pixels, upright.
        thumbnail: JPEG bytes, longest side at most `THUMBNAIL_SIDE`.
    """

    content: bytes
    width: int
    height: int
    thumbnail: bytes


def prepare_photos(contents: Sequence[bytes]) -> list[Photo]:
    """Prepare the photos of one request, at most `MAX_PHOTOS`.

    Raises:
        InvalidRequest: field `media`: there are too many, or one is no photo.
        TooLarge: field `media`: one is over `MAX_SIZE_BYTES`.
    """
    if len(contents) > MAX_PHOTOS:
        _refuse(f"Le champ media accepte {MAX_PHOTOS} photos au plus.")
    return [prepare_photo(content) for content in contents]


def prepare_photo(content: bytes) -> Photo:
    """Turn a received file into a photo that can be published.

    The type is judged by the content alone: JPEG, PNG or WEBP. Of an animation
    the first picture is kept; transparency becomes white. The same bytes give
    the same photo (with the same libraries), so a retry stores nothing new.

    Args:
        content: the file as received.

    Raises:
        InvalidRequest: field `media`: not a photo, broken, cut short, or with too
            many pixels.
        TooLarge: field `media`: over `MAX_SIZE_BYTES`.
    """
    if len(content) > MAX_SIZE_BYTES:
        raise TooLarge(
            f"Le champ media accepte des photos de {MAX_SIZE_BYTES >> 20} Mo au plus.",
            field="media",
        )
    with _decoding:
        canvas = _redrawn(content)
        return Photo(
            content=_jpeg(canvas),
            width=canvas.width,
            height=canvas.height,
            thumbnail=_jpeg(_thumbnail(canvas)),
        )


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message, field="media")


def _redrawn(content: bytes) -> Image.Image:
    try:
        with _opened(content) as image:
            _check_bounds(image, content)
            size = _fitted(image.size, MAX_SIDE)
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                image.draft("RGB", size)  # decodes at 1/2, 1/4 or 1/8 of the size
            image.load()
            canvas = _painted(image, size)
            upright = _UPRIGHT.get(_orientation(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        _refuse_pixels()
    except _BROKEN as error:
        raise InvalidRequest(
            "Une photo du champ media est abîmée ou incomplète ; envoyez-la de nouveau.",
            field="media",
        ) from error
    return canvas if upright is None else canvas.transpose(upright)


def _opened(content: bytes) -> Image.Image:
    """Read the header of the file; no pixel is decoded yet."""
    if content.startswith(_PNG_SIGNATURE):
        content = _without_ancillary_chunks(content)
    try:
        return Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError:
        _refuse("Le champ media accepte des photos JPEG, PNG ou WEBP.")


def _without_ancillary_chunks(content: bytes) -> bytes:
    """Keep the chunks of a PNG that make its picture and its orientation.

    Texts, profiles and further frames are compressed data of unknown size: they
    are left out before any of them is inflated (PNG 3rd edition, §5.3).
    """
    kept, position = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while position < len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        kind = content[position + 4 : position + 8]
        if kind in _PNG_CHUNKS:
            kept.append(content[position : position + 12 + length])
        if kind == b"IEND":
            break
        position += 12 + length
    return b"".join(kept)


def _check_bounds(image: Image.Image, content: bytes) -> None:
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_RECEIVED_SIDE:
        _refuse_pixels()
    if _decoding_bytes(image, content) > _DECODING_BYTES:
        _refuse_pixels()


def _refuse_pixels() -> NoReturn:
    _refuse(
        "Une photo du champ media a trop de pixels (too many pixels) : "
        f"{MAX_PIXELS // 1_000_000} millions au plus, moins en JPEG progressif, "
        f"{_DECODING_BYTES // _WEBP_BYTES_PER_PIXEL // 1_000_000} millions en WEBP. Réduisez-la."
    )


def _decoding_bytes(image: Image.Image, content: bytes) -> int:
    """Estimate what decoding holds in memory at its peak, in bytes."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return _jpeg_decoding_bytes(image, content)
    per_pixel = _PNG_BYTES_PER_PIXEL if image.format == "PNG" else _WEBP_BYTES_PER_PIXEL
    return image.width * image.height * per_pixel


def _jpeg_decoding_bytes(image: JpegImagePlugin.JpegImageFile, content: bytes) -> int:
    """Estimate for JPEG: small, unless several scans build the picture up.

    Then libjpeg keeps all coefficients, two bytes each, at full size.
    """
    scans = _scan_count(content)
    if scans > _MAX_SCANS:  # each costs a pass over the whole picture
        _refuse("Une photo du champ media est un JPEG trop compliqué ; enregistrez-la de nouveau.")
    if scans == 1 and not image.info.get("progressive"):
        return 0
    samples = [horizontal * vertical for _, horizontal, vertical, _ in image.layer]
    widest = max(h for _, h, _, _ in image.layer) * max(v for _, _, v, _ in image.layer)
    return 2 * image.width * image.height * sum(samples) // widest


def _scan_count(content: bytes) -> int:
    scans, position = 0, 2
    while scans <= _MAX_SCANS and (found := _JPEG_MARKER.search(content, position)):
        marker = found[1][0]
        if marker == _JPEG_END:
            break
        scans += marker == _JPEG_SCAN
        position = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return scans


def _orientation(image: Image.Image) -> int:
    """Read the EXIF orientation, 1 to 8; broken metadata mean an upright photo."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _BROKEN:
        return 1


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Scale a width and height down until the longest is at most `side`."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _painted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Paint a decoded image, scaled, on a new canvas, band by band.

    Bands keep the copies that conversion and scaling make small. Each reaches as
    far above and below as the filter does, so that the seams do not show.
    """
    canvas = Image.new("RGB", size, "white")
    scale = image.height / size[1]
    rows = max(1, int(_BAND_PIXELS / (image.width * scale)))
    margin = int(_LANCZOS_REACH * max(1.0, scale)) + 1
    for top in range(0, size[1], rows):
        bottom = min(top + rows, size[1])
        above = max(0, int(top * scale) - margin)
        below = min(image.height, int(bottom * scale) + margin + 1)
        band = _opaque(image.crop((0, above, image.width, below)))
        box = (0, top * scale - above, image.width, min(bottom * scale - above, band.height))
        scaled = band.resize((size[0], bottom - top), Image.Resampling.LANCZOS, box=box)
        canvas.paste(scaled, (0, top))
    return canvas


def _opaque(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB, 16 bits to 8, transparency to white."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda level: level * (1 / 256)).convert("L")
        image.info.pop("transparency", None)  # a 16-bit level means nothing any more
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _thumbnail(canvas: Image.Image) -> Image.Image:
    size = _fitted(canvas.size, THUMBNAIL_SIDE)
    return canvas.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _jpeg(image: Image.Image) -> bytes:
    output = io.BytesIO()
    image.save(output, "JPEG", quality=_QUALITY, optimize=True)
    return output.getvalue()
