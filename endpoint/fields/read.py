"""Turns the fields that a client sent into the values of a route's model. The table decides about all other fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from endpoint.errors import InvalidRequest
from endpoint.fields.decoding import Decoding
from endpoint.fields.layout import LayoutFields
from endpoint.fields.names import UNKNOWN, plain, unknown
from endpoint.fields.postprocess import PostprocessFields
from endpoint.fields.speakers import SpeakerFields
from endpoint.fields.table import ROWS
from endpoint.fields.wording import WordingFields
from endpoint.types import Notice

LISTS = (
    "timestamp_granularities",
    "include",
    "languages",
    "vocabulary",
    "profanity_words",
    "postprocess",
)  # lists, which may be separated by commas
_WHOLE = (
    "keywords",
    "urls",
    "known_speaker_names",
    "known_speaker_references",
)  # lists whose values may contain commas
_JOINED = ("hotwords", "suppress_tokens")  # one text, which some clients send as a list
_NESTED = ("chunking_strategy",)
_TIMED = ("verbose_json", "srt", "vtt", "diarized_json")
_TEXT = ("language", "prompt", "temperature", "hotwords", "condition_on_previous_text")


@dataclass
class Read:
    """values: by the names and aliases of the model. notices: of the fields that were ignored."""

    values: dict[str, Any] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)


def own_names(model: type[BaseModel]) -> dict[str, str]:
    """The fields of a model -> the name under which each is validated."""
    return {name: info.alias or name for name, info in model.model_fields.items()}


def read(
    model: type[BaseModel], sent: Iterable[tuple[str, Any]], *, strict: bool = False, lenient: bool = False
) -> Read:
    """Sort the fields: into values of the model, notices, or a refusal. Empty values count as absent.

    strict: an unknown name is refused. lenient: a known field of other routes is accepted with any value, as the
    response does not depend on it.
    Raises InvalidRequest with the field's name as it was sent, and with code `unsupported` where the table refuses it.
    """
    found, own = Read(), own_names(model)
    others = list[tuple[str, str, Any]]()
    for name, value in sent:
        if value is None or value in ("", []):
            continue
        base, inner = plain(name)
        row = ROWS.get(base)
        if base not in own and row is not None and row.taken_as in own:
            base = row.taken_as
        if base in own and (not inner or base in _NESTED):
            _put(found.values, own[base], (base, inner), name, value)
        elif row is not None or (lenient and base in known_names()):
            others.append((base, name, value))
        else:
            found.notices.append(unknown(name, own.keys() | ROWS.keys()))
    if not lenient:
        timed = str(found.values.get("response_format", "json")) in _TIMED or "response_format" not in own
        for base, name, value in others:
            _refuse(base, name, value, timed)
    if strict and found.notices:
        refuse_unknown(found.notices[0])
    return found


def refuse_unknown(notice: Notice) -> None:
    """Raise InvalidRequest with the message of the notice."""
    message = notice.message.replace(", so it was ignored", "")
    raise InvalidRequest(message, code=UNKNOWN, param=notice.param)


def known_names() -> frozenset[str]:
    """The names that any route knows."""
    models = (Decoding, WordingFields, LayoutFields, PostprocessFields, SpeakerFields)
    own = {name for model in models for name in model.model_fields}
    return frozenset(ROWS) | own | {*_TEXT, *(row.taken_as for row in ROWS.values())}


def _refuse(base: str, name: str, value: Any, timed: bool) -> None:
    row = ROWS[base]
    text = value if isinstance(value, str) else json.dumps(value)
    if row.taken_as:
        raise InvalidRequest(f"{name}: this route does not take it", code="unsupported", param=name)
    if not row.accepts(text, timed):
        raise InvalidRequest(f"{name}: not supported: {row.instead}", code="unsupported", param=name)


def _put(values: dict[str, Any], key: str, parts: tuple[str, str | None], name: str, value: Any) -> None:
    base, inner = parts
    if base in _NESTED and inner:
        nested = values.setdefault(key, {})
        if not isinstance(nested, dict) or nested.get(inner, value) != value:
            raise InvalidRequest(f"{base}: given more than once", param=base)
        nested[inner] = value
    elif base in LISTS:
        values.setdefault(key, []).extend(_items(value))
    elif base in _WHOLE:
        values.setdefault(key, []).extend(value if isinstance(value, list) else [value])
    elif base in _JOINED:
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        values[key] = f"{values[key]}, {text}" if key in values and values[key] != text else text
    elif values.get(key, value) != value:
        raise InvalidRequest(f"{name}: given more than once, with different values", param=name)
    else:
        values[key] = value


def _items(value: Any) -> list[Any]:
    """The items of a list, which is sent as a list, as JSON, or as text separated by commas."""
    if isinstance(value, list):
        return value
    text = str(value).strip()
    if text.startswith("["):
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, list):
            return parsed
    return [item.strip() for item in text.split(",") if item.strip()] or [value]


def flattened(parameters: Mapping[str, Any], *nested: str) -> Iterable[tuple[str, Any]]:
    """The parameters, with those inside objects named `nested`. Raises InvalidRequest where `nested` is no object."""
    for name, value in parameters.items():
        if plain(name)[0] not in nested:
            yield name, value
        elif isinstance(value, Mapping):
            yield from value.items()
        elif value is not None:
            raise InvalidRequest(f"`{name}` must be an object", param=name)
