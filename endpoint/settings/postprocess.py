"""Settings: the language model of `postprocess[]`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from endpoint.settings.base import setting


class PostprocessSettings(BaseModel):
    """Where the text of recordings goes, if requests ask for it, and what that may take."""

    llm_base_url: str = setting(
        "", "Base URL of the OpenAI-compatible server that `postprocess[]` sends transcripts to, such as "
        "http://localhost:8001/v1; empty: none."
    )  # fmt: skip
    llm_api_key: SecretStr | None = setting(None, "Its key.")
    llm_model: str = setting("", "Name of the language model there.")
    llm_timeout_seconds: float = setting(
        120.0, "Longest it may take for a recording, in seconds; then the text stays as recognized.", gt=0
    )
    llm_max_tokens: int = setting(
        500_000, "Most tokens, of prompts and responses, for a request or a file of a job.", ge=1
    )
    llm_concurrency: int = setting(8, "Requests to it at once, of each process.", ge=1)
    llm_extra_body: dict[str, Any] = setting(
        {}, 'What else each request to it has, as JSON; `{"temperature": null}` leaves out the temperature of 0.'
    )

    @field_validator("llm_base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s?#@]+", value):
            raise PydanticCustomError("address", "give an address such as http://localhost:8001/v1")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _has_a_model(self) -> PostprocessSettings:
        if self.llm_base_url and not self.llm_model:
            raise PydanticCustomError("model", "LLM_BASE_URL needs LLM_MODEL, the name of a model there")
        return self
