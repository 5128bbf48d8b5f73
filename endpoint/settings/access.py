"""Settings: who may call."""

from __future__ import annotations

import re

from pydantic import BaseModel, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from endpoint.settings.base import setting

SHORTEST_PEPPER = 32  # characters


class AccessSettings(BaseModel):
    """Keys."""

    api_key: SecretStr | None = setting(None, "One key for all callers, with every scope but `admin`.")
    keys_url: str = setting(
        "", "Where the keys of `endpoint keys` are: `jobs`, where jobs are; a file of SQLite; or `redis://...`. Empty: "
        "there are none but `API_KEY`.",
    )  # fmt: skip
    key_pepper: SecretStr | None = setting(
        None, "Secret that keys are hashed with, 32 characters or more; unset: made once, beside jobs-PORT.db. Redis "
        "needs it set.",
    )  # fmt: skip
    key_cache_seconds: float = setting(
        5.0, "How long a looked-up key is trusted, in seconds; a revoked one works no longer than this.", ge=0, le=300
    )
    allow_anonymous: bool = setting(
        False, "Without any key, serve whoever reaches the server on an address other than loopback."
    )

    @field_validator("api_key")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise PydanticCustomError("key", "a key is ASCII letters, digits and signs, without spaces")
        return value

    @field_validator("key_pepper")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_PEPPER:
            raise PydanticCustomError("pepper", "it must have 32 characters or more")
        return value
