"""Flags that are request fields: each is sent to a server, or checked here, under its own name."""

from __future__ import annotations

import argparse
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from endpoint.config import Settings
from endpoint.errors import InvalidRequest
from endpoint.fields.layout import LayoutFields
from endpoint.fields.postprocess import PostprocessFields
from endpoint.fields.read import own_names, read
from endpoint.fields.speakers import DIARIZED, SpeakerFields
from endpoint.fields.wording import WordingFields
from endpoint.languages import find_language
from endpoint.options import Options, Task
from endpoint.text.format import ResponseFormat


class _Format(BaseModel):
    response_format: ResponseFormat = Field("json")


class FlagFields(PostprocessFields, LayoutFields, SpeakerFields, WordingFields, _Format):
    """The fields that `endpoint transcribe` has as flags."""


def add_fields(parser: argparse.ArgumentParser, *models: type[BaseModel]) -> None:
    """Add a flag for each field of the models; one that is a list may be given several times."""
    for model in models:
        for name, field in model.model_fields.items():
            more: dict[str, Any] = {"help": (field.description or "").replace("%", "%%")}
            if field.annotation is bool:
                more["action"] = argparse.BooleanOptionalAction
            elif field.alias:
                more["action"] = "append"
            parser.add_argument(f"--{name.replace('_', '-')}", dest=name, default=None, **more)


def sent_fields(args: argparse.Namespace, *models: type[BaseModel]) -> dict[str, Any]:
    """The flags that were given, by name of their field, as a form has them: text, or lists of text."""
    names = [name for model in models for name in model.model_fields]
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    sent = {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}
    if references := sent.get("known_speaker_references"):
        sent["known_speaker_references"] = [_data_url(one) for one in references]
    return sent


def _data_url(reference: str) -> str:
    """A file may be named instead. Raises InvalidRequest."""
    if reference.startswith("data:"):
        return reference
    try:
        data = Path(reference).read_bytes()
    except OSError as error:
        flag = "--known-speaker-references"
        raise InvalidRequest(f"{flag}: cannot read {reference}: {error.strerror}", param=flag) from error
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"


def checked(sent: Mapping[str, Any], response_format: str) -> FlagFields:
    """Raises InvalidRequest that names the first wrong flag."""
    given = {"response_format": response_format, **sent}
    each = ((name, value) for name, values in given.items() for value in _listed(values))  # as a form repeats a field
    try:
        return FlagFields.model_validate(read(FlagFields, each, strict=True).values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        flag = f"--{str(first['loc'][0]).removesuffix('[]').replace('_', '-')}"
        raise InvalidRequest(f"{flag}: {first['msg']}", param=flag) from error


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def form_fields(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The same under the names that a form has for them: lists in brackets."""
    names = own_names(FlagFields)
    return {names[name]: value for name, value in sent.items()}


def setting_flags() -> list[str]:
    """The flags of all settings, as in `endpoint serve`, except --api-key, which may be that of a server."""
    names = list[str]()
    for name, field in Settings.model_fields.items():
        if name == "api_key":
            continue
        alias = field.validation_alias
        names += [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name]
    return [f"--{name.replace('_', '-')}" for name in names]


def fields_of(args: argparse.Namespace, response_format: str, *models: type[BaseModel]) -> FlagFields:
    """The flags of the fields of `models`. Raises InvalidRequest."""
    return checked(sent_fields(args, *models), response_format)


def options_of(args: argparse.Namespace, fields: FlagFields) -> Options:
    """The flags --language, --task and --prompt, --words where there is one, and `fields`. Raises InvalidRequest."""
    language = None
    if args.language and (language := find_language(args.language)) is None:
        raise InvalidRequest(f"Whisper knows no language {args.language!r}", param="language")
    start_ms, end_ms = fields.times_ms()
    return Options(
        task=Task(args.task),
        language=language,
        prompt=args.prompt,
        words=fields.layout() is not None or getattr(args, "words", False),
        start_ms=start_ms,
        end_ms=end_ms,
        wording=fields.wording(),
        postprocess=fields.postprocess,
        speakers=fields.speakers(fields.response_format == DIARIZED),
        multichannel=fields.multichannel,
    )
