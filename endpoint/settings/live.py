"""Settings of live sessions."""

from __future__ import annotations

from pydantic import BaseModel

from endpoint.settings.base import setting


class LiveSettings(BaseModel):
    """Live sessions."""

    live_session_seconds: float = setting(3600.0, "Longest live session, in seconds.", gt=0)
    live_idle_seconds: float = setting(300.0, "A live session without a message for so long is closed.", gt=0)
    live_passes: int = setting(
        0, "Passes over live sound at once, from which on interim text waits; 0: 2 on a CPU, 32 on a GPU.", ge=0
    )
