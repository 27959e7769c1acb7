"""Form bodies for the tests of decoding, built byte by byte."""

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"


def multipart(*parts: bytes) -> bytes:
    """A body of raw parts, each with its own headers and content."""
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + b"--XX--\r\n"


def text_part(name: bytes, value: bytes, *, headers: bytes = b"") -> bytes:
    disposition = b'Content-Disposition: form-data; name="' + name + b'"\r\n'
    return disposition + headers + b"\r\n" + value


def file_part(
    content: bytes, *, name: bytes = b"media", filename: bytes = b"a.jpg", headers: bytes = b""
) -> bytes:
    disposition = b'Content-Disposition: form-data; name="' + name + b'"'
    disposition += b'; filename="' + filename + b'"\r\n'
    return disposition + headers + b"\r\n" + content
