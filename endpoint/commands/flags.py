"""Flags that are request fields: each is sent to a server, or checked here, under its own name."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from endpoint.errors import InvalidRequest
from endpoint.fields.layout import LayoutFields
from endpoint.fields.postprocess import PostprocessFields
from endpoint.fields.read import own_names, read
from endpoint.fields.wording import WordingFields
from endpoint.text.format import ResponseFormat


class _Format(BaseModel):
    response_format: ResponseFormat = Field("json")


class FlagFields(PostprocessFields, LayoutFields, WordingFields, _Format):
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
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}


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
