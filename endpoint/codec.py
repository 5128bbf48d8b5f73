"""Encodes options, transcripts and errors as JSON and decodes them, for storage and for other processes.

Every document carries the version of its layout. A new field with a default keeps the version, as older documents
only lack the field. A field that changes its meaning raises the version, and needs a reader for the older one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from endpoint import errors
from endpoint.errors import EndpointError, LimitReached, Unavailable
from endpoint.options import Options
from endpoint.types import Transcript

VERSION = 1
T = TypeVar("T")


class _Document(BaseModel, Generic[T]):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")

    version: Literal[1] = 1
    value: T


_KEPT = dict[type[Any], Any]()


class CodecError(ValueError):
    """A document that this version cannot read."""


@dataclass(frozen=True)
class _Error:
    """retry_after: seconds until the same request can succeed; None where it cannot. kind: of the limit reached."""

    type: str
    message: str
    code: str
    param: str | None = None
    retry_after: int | None = None
    kind: str | None = None

    @classmethod
    def of(cls, error: EndpointError) -> _Error:
        retry_after = error.retry_after if isinstance(error, Unavailable | LimitReached) else None
        kind = error.kind if isinstance(error, LimitReached) else None
        return cls(type(error).__name__, error.message, error.code, error.param, retry_after, kind)

    def error(self) -> EndpointError:
        """The error in its class, or as EndpointError where this version does not know the class."""
        known = getattr(errors, self.type, EndpointError)
        if isinstance(known, type) and issubclass(known, Unavailable):
            return known(self.message, code=self.code, retry_after=self.retry_after or 0)
        if isinstance(known, type) and issubclass(known, LimitReached):
            return known(self.message, code=self.code, retry_after=self.retry_after or 0, kind=self.kind)
        made = known if isinstance(known, type) and issubclass(known, EndpointError) else EndpointError
        return made(self.message, code=self.code, param=self.param)


def encode_options(options: Options) -> bytes:
    return encode(Options, options)


def decode_options(data: bytes) -> Options:
    """Raises CodecError."""
    return decode(Options, data)


def encode_transcript(transcript: Transcript) -> bytes:
    return encode(Transcript, transcript)


def decode_transcript(data: bytes) -> Transcript:
    """Raises CodecError."""
    return decode(Transcript, data)


def encode_error(error: EndpointError) -> bytes:
    return encode(_Error, _Error.of(error))


def decode_error(data: bytes) -> EndpointError:
    """An error of the same class. Raises CodecError."""
    return decode(_Error, data).error()


def encode(kind: type[T], value: T, *, defaults: bool = True) -> bytes:
    """A document of any dataclass made of JSON's types, bytes and enumerations.

    defaults: with the fields that are as by default; without them, a field that is new changes no document.
    """
    return _document(kind)(value=value).model_dump_json(exclude_defaults=not defaults).encode()


def decode(kind: type[T], data: bytes) -> T:
    """Raises CodecError."""
    try:
        return _document(kind).model_validate_json(data).value
    except ValidationError as error:
        raise CodecError(f"not a document of version {VERSION}: {error}") from error


def _document(kind: type[T]) -> type[_Document[T]]:
    """Kept: pydantic forgets a model that nobody holds, and takes milliseconds to make it again."""
    if kind not in _KEPT:
        _KEPT[kind] = _Document[kind]  # type: ignore[valid-type]
    document: type[_Document[T]] = _KEPT[kind]
    return document
