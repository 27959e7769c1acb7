"""Of a received file nothing but the picture is published (trust K11, K12)."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import PngImagePlugin

from open311.formats.photos import prepare_photo
from tests.formats.pictures import opened, quarters, sample, saved

SECRETS = [
    b"<?php",
    b"PK\x03\x04",
    b"SECRET",
    b"Exif",
    b"SN-0123456789",
    b"Exemple",
    b"ICC_PROFILE",
]


def jpeg_markers(content: bytes) -> list[int]:
    """The markers of a JPEG up to its scan, and its end, read by hand."""
    found, position = [0xD8], 2
    while content[position + 1] != 0xDA:
        assert content[position] == 0xFF
        found.append(content[position + 1])
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    assert content.endswith(b"\xff\xd9")
    return [*found, 0xDA]


def _zip() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("x.php", "<?php SECRET ?>")
    return output.getvalue()


def _with_everything() -> dict[str, bytes]:
    exif = opened(sample("nid-de-poule.jpg")).getexif()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "<?php SECRET ?>")
    text.add_text("Comment", "<?php SECRET ?>", zip=True)
    text.add_itxt("XML:com.adobe.xmp", "SECRET")
    profile = b"SECRET" * 40
    plain, image = sample("banc.webp"), quarters()
    return {
        "sample": sample("nid-de-poule.jpg"),
        "JPEG and PHP": saved(image) + b"<?php SECRET ?>",
        "JPEG and ZIP": saved(image) + _zip(),
        "JPEG comment": saved(image, comment=b"<?php SECRET ?>"),
        "JPEG metadata": saved(image, exif=exif, icc_profile=profile, xmp=b"SECRET"),
        "PNG texts": saved(image, "PNG", pnginfo=text, exif=exif, icc_profile=profile),
        "PNG and ZIP": saved(image, "PNG") + _zip(),
        "WEBP metadata": saved(image, "WEBP", exif=exif, icc_profile=profile, xmp=b"SECRET"),
        "WEBP and ZIP": plain + _zip(),
    }


@pytest.mark.parametrize(("name", "content"), _with_everything().items())
def test_no_metadata_and_no_hidden_file_survive(name: str, content: bytes) -> None:
    photo = prepare_photo(content)
    for kept in (photo.content, photo.thumbnail):
        assert [secret for secret in SECRETS if secret in kept] == []
        # JFIF header, tables, frame, scan: no other application part, no comment.
        assert set(jpeg_markers(kept)) <= {0xD8, 0xE0, 0xDB, 0xC0, 0xC4, 0xDA}
        image = opened(kept)
        assert dict(image.getexif()) == {}
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not zipfile.is_zipfile(io.BytesIO(kept))
