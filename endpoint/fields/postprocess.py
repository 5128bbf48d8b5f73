"""The field that asks for a language model's work on the transcript."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from endpoint.errors import InvalidRequest
from endpoint.fields.layout import FormattedFields
from endpoint.options import Postprocess

POSTPROCESS = "postprocess[]"
_NEEDED = {  # where the result of a step can be written
    Postprocess.PARAGRAPHS: ("verbose_json", "text"),
    Postprocess.SUMMARY: ("json", "verbose_json", "diarized_json"),
    Postprocess.ACTIONS: ("json", "verbose_json", "diarized_json"),
}


class PostprocessFields(FormattedFields):
    """An extension. endpoint/postprocess/ does the work."""

    postprocess: tuple[Postprocess, ...] = Field(
        (),
        alias=POSTPROCESS,
        description="What a language model does with the transcript, if the server has one: `punctuation` and capital "
        "letters; `paragraphs` by topic, with verbose_json or text; `speakers`: names for the labels of `diarize`, if "
        "they were spoken; `summary` and `actions`, with formats of JSON. The words never change; `postprocess` of the "
        "response says what was done. An extension.",
    )

    @field_validator("postprocess")
    @classmethod
    def _can_be_written(cls, value: tuple[Postprocess, ...], info: ValidationInfo) -> tuple[Postprocess, ...]:
        form = info.data.get("response_format", "json")
        for step in value:
            if form not in (needed := _NEEDED.get(step, (form,))) and not cls.formatted_later():
                raise PydanticCustomError("postprocess", f"{step} needs response_format={' or '.join(needed)}")
        return tuple(dict.fromkeys(value))

    def check_postprocess(self, there_is_a_model: bool) -> None:
        """Raises InvalidRequest where the server has no language model."""
        if self.postprocess and not there_is_a_model:
            raise InvalidRequest(
                f"{POSTPROCESS}: this server has no language model; its operator sets LLM_BASE_URL and LLM_MODEL",
                code="unsupported",
                param=POSTPROCESS,
            )
