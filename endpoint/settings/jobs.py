"""Settings of jobs and their webhooks."""

from __future__ import annotations

from pydantic import BaseModel, SecretStr

from endpoint.settings.base import setting


class JobSettings(BaseModel):
    """Jobs."""

    jobs_url: str = setting(
        "", "Where jobs are kept: a file of SQLite, `redis://...`, or `off`; empty: jobs-PORT.db in "
        "whisper-endpoint in `XDG_STATE_HOME`, or in ~/.local/state.",
    )  # fmt: skip
    job_audio: str = setting(
        "", "Where audio of jobs waits: a folder, or `s3://bucket/prefix`; empty: beside `JOBS_URL`'s file."
    )
    job_workers: int = setting(4, "Jobs worked on at once in the server; 0: `endpoint worker` does it.", ge=0, le=64)
    job_lease_seconds: float = setting(
        30.0, "Seconds after which the jobs of a worker that died go to another one.", ge=1, le=3600
    )
    job_result_days: float = setting(7.0, "How long results of jobs are kept, in days.", gt=0)
    webhook_secrets: SecretStr | None = setting(
        None, "Secrets that sign webhooks, `whsec_...`; two during a rotation, separated by commas."
    )
