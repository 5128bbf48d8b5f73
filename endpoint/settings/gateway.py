"""Settings of the gateway, and of the engine servers behind it."""

from __future__ import annotations

import re

from pydantic import BaseModel, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from endpoint.settings.base import setting, split


class GatewaySettings(BaseModel):
    """The gateway."""

    engines: str = setting(
        "", "Addresses of engine servers for `endpoint gateway`, such as http://a:8000, separated by commas."
    )
    engine_token: SecretStr | None = setting(
        None, "Secret of a gateway and its engine servers; a server offers its internal routes only with it."
    )

    @field_validator("engines")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        addresses = split(value)
        if not all(re.fullmatch(r"https?://[^/\s?#@]+/?", address) for address in addresses):
            raise PydanticCustomError("engines", "give addresses such as http://a:8000, without a path")
        return ",".join(dict.fromkeys(address.rstrip("/") for address in addresses))

    @field_validator("engine_token")
    @classmethod
    def _token_can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]{16,}", value.get_secret_value()):
            raise PydanticCustomError("token", "a token is 16 ASCII letters, digits and signs or more, without spaces")
        return value

    @model_validator(mode="after")
    def _token_beside_engines(self) -> GatewaySettings:
        if self.engines and self.engine_token is None:
            raise PydanticCustomError("token", "ENGINES need ENGINE_TOKEN, the secret that these servers have, too")
        return self
