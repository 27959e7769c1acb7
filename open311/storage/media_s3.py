"""Photos in a bucket of any S3-compatible store (optional extra `s3`)."""

from __future__ import annotations

import contextlib
import io
import mimetypes
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from open311.domain.errors import Unavailable
from open311.storage.media_name import check_media_name, is_media_name, media_name, unknown_photo

_ABSENT = {"404", "NoSuchKey", "NotFound"}


class S3MediaStore:
    """Photos as objects `prefix/name` of one bucket, which must exist.

    Args:
        bucket: the bucket's name.
        prefix: a folder inside it, or nothing.
        client: a boto3 S3 client, as `s3_client` makes it.
    """

    def __init__(self, bucket: str, *, prefix: str, client: Any) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client

    def put(self, content: bytes, *, suffix: str) -> str:
        """See `MediaStore.put`: the store acknowledges what it holds durably."""
        name = media_name(content, suffix)
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        with _failures_told():
            self._client.put_object(**self._at(name), Body=content, ContentType=media_type)
        return name

    def open(self, name: str) -> BinaryIO:
        """See `MediaStore.open`: read whole, a photo being a few megabytes at most."""
        with _failures_told():
            answer = self._client.get_object(**self._at(name))
            with contextlib.closing(answer["Body"]) as body:
                return io.BytesIO(body.read())

    def exists(self, name: str) -> bool:
        """See `MediaStore.exists`."""
        if not is_media_name(name):
            return False
        with _failures_told():
            try:
                self._client.head_object(**self._at(name))
            except ClientError as error:
                if _is_absence(error):
                    return False
                raise
        return True

    def delete(self, name: str, *, written_before: datetime | None = None) -> bool:
        """See `MediaStore.delete`: S3 does not mind an absent object.

        S3 cannot look and delete at once: a content that is put between the two calls
        is lost. The name must be one that nobody has used for long.
        """
        with _failures_told():
            if written_before is not None and not self._is_older(name, written_before):
                return False
            self._client.delete_object(**self._at(name))
        return True

    def names(self, *, written_before: datetime | None = None) -> Iterator[str]:
        """See `MediaStore.names`: a thousand names per call."""
        pages = self._client.get_paginator("list_objects_v2")
        with _failures_told():
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for found in page.get("Contents", []):
                    name = found["Key"].removeprefix(self._prefix)
                    if is_media_name(name) and _is_older(found["LastModified"], written_before):
                        yield name

    def _is_older(self, name: str, limit: datetime) -> bool:
        """Whether a content was put before a moment; what is not there was."""
        try:
            found = self._client.head_object(**self._at(name))
        except ClientError as error:
            if _is_absence(error):
                return True
            raise
        return _is_older(found["LastModified"], limit)

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_media_name(name)}


def s3_client(*, endpoint_url: str | None = None, region: str | None = None) -> Any:
    """Make a boto3 client that any S3-compatible store understands.

    The credentials come from the environment, as boto3 looks for them.
    """
    config = Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "max_attempts": 3},
        # Other stores than Amazon's often know neither virtual hosts nor the
        # newer checksums; the signed SHA-256 of the payload they all check.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if endpoint_url else "auto",
            "payload_signing_enabled": True,
        },
    )
    # A session of our own: the shared one is not safe between threads.
    session = boto3.Session()
    return session.client("s3", endpoint_url=endpoint_url, region_name=region, config=config)


def _is_older(written: datetime, limit: datetime | None) -> bool:
    return limit is None or written < limit


def _is_absence(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in _ABSENT


@contextlib.contextmanager
def _failures_told() -> Iterator[None]:
    """Translate the library's errors, the refusal of our credentials included."""
    try:
        yield
    except ClientError as error:
        if _is_absence(error):
            raise unknown_photo() from error
        raise Unavailable("Le dépôt des photos refuse l’accès ou échoue.") from error
    except BotoCoreError as error:
        raise Unavailable("Le dépôt des photos est injoignable.") from error
