"""Every error a caller can meet.

EndpointError
├── RequestError                the caller must change the request
│   ├── InvalidRequest          a field is missing, malformed or contradicts another
│   │   └── IdempotencyMismatch  the key was used for another request
│   ├── InvalidAudio            the bytes hold no audio that can be decoded
│   ├── TooLarge                too many bytes, or too long a recording
│   ├── InvalidKey              no key, or one that is unknown, expired or revoked
│   ├── PermissionDenied        the key is not for this, or not for this model
│   ├── KeyNotFound             no such key
│   ├── ModelNotFound           no such model is served
│   ├── RouteNotFound           no such path
│   ├── MethodNotAllowed        the path does not take this method
│   ├── JobNotFound             no such job
│   ├── JobNotFinished          it has no result yet
│   └── ResultExpired           it had one
├── LimitReached                a limit of the caller is reached
│   ├── RateLimited             it lasts a minute at most
│   └── QuotaExceeded           it lasts until the next month
├── Unavailable                 the same request can succeed later
│   ├── NotReady                the model is still loading
│   ├── Overloaded              a limit of concurrent work is reached
│   └── StoreUnavailable        the store of jobs cannot be reached, or has no room
├── DeadlineExceeded            the request took longer than it may
├── EngineFailed                the model failed, or died
├── DiarizationFailed           what finds speakers failed, or died
├── MissingAudio                the audio of a job is gone
└── ConfigError                 the settings are wrong; the server does not start

`code` is a stable string for programs, the message is for people, `param` names the field. HTTP statuses are not here
but in one table in endpoint/api/errors.py. Exceptions of libraries are translated where they are caught.
"""

from __future__ import annotations


class EndpointError(Exception):
    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.param = param


class RequestError(EndpointError):
    code = "invalid_request"


class InvalidRequest(RequestError):
    code = "invalid_value"


class InvalidAudio(RequestError):
    code = "invalid_audio"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = "file") -> None:
        super().__init__(message, code=code, param=param)


class TooLarge(RequestError):
    code = "file_too_large"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = "file") -> None:
        super().__init__(message, code=code, param=param)


class InvalidKey(RequestError):
    code = "invalid_api_key"


class PermissionDenied(RequestError):
    code = "missing_scope"


class KeyNotFound(RequestError):
    code = "key_not_found"


class ModelNotFound(RequestError):
    code = "model_not_found"


class RouteNotFound(RequestError):
    code = "not_found"


class MethodNotAllowed(RequestError):
    code = "method_not_allowed"


class LimitReached(EndpointError):
    """retry_after: seconds after which to try again. kind: of what there was too much, as OpenAI's `type` names it."""

    code = "limit_reached"
    kind = "requests"

    def __init__(
        self, message: str, *, retry_after: int = 60, kind: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after, self.kind = retry_after, kind or self.kind


class RateLimited(LimitReached):
    code = "rate_limit_exceeded"


class QuotaExceeded(LimitReached):
    code = kind = "insufficient_quota"


class Unavailable(EndpointError):
    """retry_after: seconds after which to try again."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 5, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class NotReady(Unavailable):
    code = "model_loading"


class Overloaded(Unavailable):
    code = "overloaded"


class DeadlineExceeded(EndpointError):
    code = "timeout"


class EngineFailed(EndpointError):
    code = "engine_failed"


class DiarizationFailed(EndpointError):
    code = "diarization_failed"


class ConfigError(EndpointError):
    code = "invalid_settings"


class IdempotencyMismatch(InvalidRequest):
    code = "idempotency_mismatch"


class JobNotFound(RequestError):
    code = "job_not_found"


class JobNotFinished(RequestError):
    """Of a cancelled job there will never be a result."""

    code = "job_not_finished"


class ResultExpired(RequestError):
    code = "result_expired"


class StoreUnavailable(Unavailable):
    """Nothing was changed, or it is not known whether it was."""

    code = "store_unavailable"


class MissingAudio(EndpointError):
    code = "audio_missing"
