"""boto3's client of S3, or of a service that speaks its protocol.

boto3 reads keys, region and address (AWS_ENDPOINT_URL) from the environment and its own files. It is imported where a
bucket is used only: that takes a while.
"""

from __future__ import annotations

from typing import Any

from endpoint.errors import ConfigError

CONNECT_SECONDS, READ_SECONDS = 5, 30
ATTEMPTS = 3


def connect_s3(endpoint_url: str | None = None) -> tuple[Any, tuple[type[Exception], ...]]:
    """boto3's client, and the errors it raises. Raises ConfigError. Nothing is connected to yet."""
    import boto3.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "max_attempts": ATTEMPTS},
        # Not every service that speaks S3 knows the checksums that are newer than the protocol.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        client = boto3.session.Session().client("s3", endpoint_url=endpoint_url, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"S3 cannot be used as it is set up: {error}") from error
    return client, (BotoCoreError, ClientError)


def s3_code(error: Exception) -> str:
    """S3's name of an error; empty where it did not come from S3."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
