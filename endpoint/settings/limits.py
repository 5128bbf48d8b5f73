"""Settings: how much each caller may ask, and what it costs."""

from __future__ import annotations

from pydantic import BaseModel, field_validator
from pydantic_core import PydanticCustomError

from endpoint.settings.base import setting


class LimitSettings(BaseModel):
    """Limits of each caller and model, where its key has none of its own; and prices."""

    limit_requests_per_minute: int | None = setting(
        None, "Requests that a caller may send in a minute, for each model; unset: any number.", ge=1
    )
    limit_audio_seconds_per_minute: int | None = setting(
        None, "Seconds of audio that a caller may send in a minute, for each model.", ge=1
    )
    limit_audio_seconds_per_month: int | None = setting(
        None, "Seconds of audio that a caller may send in a month of the calendar (UTC), for each model.", ge=1
    )
    limit_requests_in_flight: int | None = setting(
        None, "Requests of a caller that are worked on at once, for each model.", ge=1
    )
    limit_live_sessions: int | None = setting(None, "Live sessions that a caller may have open at once.", ge=1)
    limit_upload_mb: int | None = setting(
        None, "Largest upload of a caller, in MiB; `MAX_UPLOAD_MB` is the server's own limit.", ge=1
    )
    prices: dict[str, float] = setting(
        {}, 'Price of a minute of audio by model, as JSON: `{"*": 0.006}`; `*`: every model that is not named.'
    )
    price_currency: str = setting("USD", "Currency of the prices, as it is shown with amounts.")

    @field_validator("prices")
    @classmethod
    def _are_prices(cls, value: dict[str, float]) -> dict[str, float]:
        if any(not 0 <= price < float("inf") for price in value.values()):
            raise PydanticCustomError("prices", "a price is a number, not below 0")
        return value
