"""A language model behind an OpenAI-compatible server, asked for JSON of a given shape within limits.

Nothing is sent but to its address: no redirect is followed, and no proxy is used.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import httpx2
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, OpenAIError
from openai.types.shared_params.response_format_json_schema import ResponseFormatJSONSchema
from pydantic import BaseModel, Field, ValidationError

from endpoint.call import Record
from endpoint.postprocess.prompts import Question, Shape, T

MOST_BYTES = 1024 * 1024  # of a response
CONNECT_SECONDS = 10.0
BYTES_A_TOKEN = 3  # of UTF-8: text of few letters a token is counted too high, and corrected by the server's count
OVERHEAD_TOKENS = 64  # of the chat template


class Failed(Exception):
    """The model gave nothing that can be used. reason: a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Allowance:
    """What one step may take. deadline: of the event loop's clock. most: tokens of the whole request, which `record`
    counts. spent: tokens of this step.

    Tokens of a request are reserved before it is sent, so that concurrent requests cannot pass the limit together.
    """

    def __init__(self, deadline: float, most: int, record: Record) -> None:
        self.deadline, self._most, self._record, self.spent = deadline, most, record, 0

    def reserve(self, tokens: int) -> None:
        """Raises Failed."""
        if self._record.language_tokens + tokens > self._most:
            raise Failed("token_limit")
        self._record.language_tokens += tokens

    def settle(self, reserved: int, used: int) -> None:
        self._record.language_tokens += used - reserved
        self.spent += used


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    total_tokens: int = Field(0, ge=0)


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def _body(extra: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {"temperature": 0, **extra}.items() if value is not None}


def tokens_of(text: str) -> int:
    """At most about so many tokens a text has."""
    return len(text.encode()) // BYTES_A_TOKEN + 1


class LanguageModel:
    """at_once: requests to it at a time. extra: what else each request has."""

    def __init__(self, base_url: str, key: str, name: str, *, at_once: int, extra: Mapping[str, Any]) -> None:
        timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
        http = httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=timeout)
        # Without a name of an organization the client would look for one in the environment.
        self._client = AsyncOpenAI(
            base_url=base_url, api_key=key or "none", organization="", project="", http_client=http, max_retries=1,
            timeout=timeout,
        )  # fmt: skip
        self._name, self._slots, self._extra = name, asyncio.Semaphore(at_once), _body(extra)

    async def close(self) -> None:
        await self._client.close()

    async def ask(self, question: Question[T], allowance: Allowance) -> T:
        """The response. Raises Failed."""
        system, user = question.messages(secrets.token_hex(8))
        most_tokens, shape = question.most_tokens, question.shape
        reserved = tokens_of(system) + tokens_of(user) + OVERHEAD_TOKENS + most_tokens
        allowance.reserve(reserved)
        used = 0
        try:
            async with asyncio.timeout_at(allowance.deadline), self._slots:
                used = reserved  # from here on it may cost
                made = _read(await self._send(system, user, shape, most_tokens))
                used = reserved if made.usage is None else made.usage.total_tokens
                return _shaped(made, shape)
        except TimeoutError:
            raise Failed("timeout") from None
        finally:
            allowance.settle(reserved, used)

    async def _send(self, system: str, user: str, shape: type[Shape], most_tokens: int) -> bytes:
        """The body of a response, which is not read further than MOST_BYTES. Raises Failed."""
        form: ResponseFormatJSONSchema = {
            "type": "json_schema",
            "json_schema": {"name": shape.__name__, "strict": True, "schema": shape.model_json_schema()},
        }
        try:
            async with self._client.chat.completions.with_streaming_response.create(
                model=self._name,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
                response_format=form,
                max_completion_tokens=most_tokens,
                extra_body=self._extra,
            ) as response:
                body = b""
                async for piece in response.iter_bytes():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise Failed("invalid_response")
                return body
        except APIStatusError as error:  # its message may quote what was sent
            raise Failed("server_error" if error.status_code >= 500 else "refused") from None
        except (APIConnectionError, httpx2.HTTPError):
            raise Failed("unreachable") from None
        except OpenAIError:
            raise Failed("invalid_response") from None


def _read(body: bytes) -> _Completion:
    try:
        return _Completion.model_validate_json(body)
    except ValidationError:
        raise Failed("invalid_response") from None


def _shaped(completion: _Completion, shape: type[T]) -> T:
    choice = completion.choices[0]
    if choice.finish_reason == "length":
        raise Failed("cut_off")
    try:
        return shape.model_validate_json(choice.message.content or "")
    except ValidationError:
        raise Failed("invalid_response") from None
