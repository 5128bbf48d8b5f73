"""The official clients, unmodified. Each runs in its own process, which receives calls as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.conformance.install import JAVASCRIPT_FOLDER, OLD_PYTHON, OLDEST, node

HERE = Path(__file__).parent
AUDIO = HERE.parent / "audio"
TRANSCRIBE, TRANSLATE = "audio.transcriptions.create", "audio.translations.create"

COMMANDS = {
    "python": [sys.executable, str(HERE / "drive.py"), "sync"],
    "python async": [sys.executable, str(HERE / "drive.py"), "async"],
    f"python {OLDEST}": [str(OLD_PYTHON / "bin" / "python"), str(HERE / "drive.py"), "sync"],
    f"python {OLDEST} async": [str(OLD_PYTHON / "bin" / "python"), str(HERE / "drive.py"), "async"],
    "javascript": [node(), str(HERE / "drive.mjs"), str(JAVASCRIPT_FOLDER)],
}


@dataclass(frozen=True)
class Failure:
    """An exception of the client. bases: names of its class and those above."""

    kind: str
    bases: list[str]
    status: int | None
    request_id: str | None
    headers: dict[str, str]
    text: str
    message: str | None
    type: str | None
    param: str | None
    code: str | None
    body: Any


@dataclass(frozen=True)
class ResponseModel:
    """The result of a call: `value` as JSON, the `events` of a stream, or an `error`. All other fields are empty."""

    kind: str = ""
    value: Any = None
    request_id: str | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    retries: int | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    error: Failure | None = None

    @property
    def ok(self) -> ResponseModel:
        assert self.error is None, self.error
        return self

    @property
    def failed(self) -> Failure:
        assert self.error is not None, f"no error but {self.value!r}"
        return self.error


class Client:
    """A running process of COMMANDS. `at` is the base URL to call, without /v1."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self._log = log.open("w")
        self._process = subprocess.Popen(
            COMMANDS[name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.version = ""

    def __enter__(self) -> Self:
        try:
            self.version = self._read()["version"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._process, self._log:  # close the pipes and wait for the process
            assert self._process.stdin
            self._process.stdin.close()
            self._process.wait(10)

    @property
    def is_python(self) -> bool:
        return self.name.startswith("python")

    def __call__(
        self,
        at: str,
        *positional: str,
        call: str = TRANSCRIBE,
        file: Path | str | None = AUDIO / "seven.wav",
        how: str = "tuple",
        way: str = "plain",
        connection: dict[str, Any] | None = None,
        **options: Any,
    ) -> ResponseModel:
        """Call the client's method `call`.

        how: the way the file is passed; way: "plain", "raw" or "streaming_response"; connection: arguments of
        the client itself; options: those of the method.
        """
        base_url = at if at.endswith("/v1") else f"{at}/v1"
        if call in (TRANSCRIBE, TRANSLATE):
            options = {"model": "whisper-1", **options}
        ask = {
            "client": {"base_url": base_url, "api_key": "none", "max_retries": 0, **(connection or {})},
            "call": call,
            "positional": positional,
            "way": way,
            "file": None if file is None else {"as": how, "path": str(file)},
            "options": options,
        }
        assert self._process.stdin
        self._process.stdin.write(json.dumps(ask) + "\n")
        self._process.stdin.flush()
        found = self._read()
        if error := found.pop("error", None):
            return ResponseModel(error=Failure(kind=error.pop("class"), **error))
        return ResponseModel(kind=found.pop("class", ""), **found)

    def _read(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"{self.name} ended: {Path(self._log.name).read_text()[-2000:]}"
        return json.loads(line)
