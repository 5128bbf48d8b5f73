"""Settings: finding who speaks when."""

from __future__ import annotations

from pydantic import BaseModel

from endpoint.settings.base import setting


class SpeakerSettings(BaseModel):
    """Diarization."""

    speaker_models: str = setting(
        "",
        "Models that find speakers: a folder of them, or a pipeline of pyannote's, a folder or a hub name (extra "
        "`pyannote`); empty: those that `endpoint models pull speakers` fetched.",
    )
    speaker_workers: int = setting(
        0, "Processes that find speakers, a recording each; 0: one for every 8 cores, at least one.", ge=0, le=64
    )
    speaker_timeout_seconds: float = setting(
        3600.0, "Longest that finding the speakers of one recording may take, in seconds.", gt=0
    )
