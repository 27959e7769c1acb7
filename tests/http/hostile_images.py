"""Files that pretend to be photos, and the status that each deserves."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def png_of(width: int, height: int) -> bytes:
    """A small PNG file that says it has this many pixels, all of them black."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\0" * (1 + (width + 7) // 8)
    packer = zlib.compressobj(9)
    content = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def picture(format_: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (16, 16), "green").save(written, format_)
    return written.getvalue()


IMAGES: list[tuple[str, bytes, int]] = [
    ("K9 13,000² in a few kB", png_of(13_000, 13_000), 400),
    ("K9 20,000² in a few kB", png_of(20_000, 20_000), 400),
    ("K10 SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><script>x</script></svg>', 400),
    ("K10 HTML", b"<!doctype html><script>alert(1)</script>", 400),
    ("K10 PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", 400),
    ("K10 EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", 400),
    ("K10 GIF", picture("GIF"), 400),
    ("K10 TIFF", picture("TIFF"), 400),
    ("K10 BMP", picture("BMP"), 400),
    ("K an empty file", b"", 400),
    ("K a cut JPEG", picture("JPEG")[:200], 400),
    ("K a PNG", picture("PNG"), 200),
    ("K a WEBP", picture("WEBP"), 200),
    ("K a JPEG", picture("JPEG"), 200),
]
