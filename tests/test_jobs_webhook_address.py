"""Which addresses of webhooks are refused when a job is submitted."""

from __future__ import annotations

import pytest

from endpoint.errors import InvalidRequest
from endpoint.jobs.webhook import validate_callback
from endpoint.outgoing import OutgoingPolicy


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "example.com/hook",
        "//example.com/",
        "http://",
        "",
        "http://user:password@example.com/",
        "http://user@example.com/",
        "http://127.0.0.1:80/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[fe80::1%25lo]/",
        "http://[fd00::1]/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://127。0。0。1/",
        "http://127.0.0.1%00.example.com/",
        "http://example.com:22/",
        "http://example.com:0/",
        "http://1.1.1.1:25/",
        "http://example.com\r\nX: y/",
        "http://[::1/",
    ],
)
def test_what_can_never_be_allowed_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        validate_callback(url, OutgoingPolicy())
    assert (caught.value.code, caught.value.param) == ("url_refused", "callback_url")


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook?a=b", "http://example.com:8080/", "HTTPS://1.1.1.1/", "https://bücher.example/"],
)
def test_public_addresses_pass(url: str) -> None:
    validate_callback(url, OutgoingPolicy())


def test_the_policy_decides() -> None:
    inside = OutgoingPolicy.parse("", "10.0.0.0/8")
    validate_callback("http://10.0.0.1:5000/", inside)
    validate_callback("http://hooks.internal:5000/", inside)  # its address is looked at when it is sent
    with pytest.raises(InvalidRequest):
        validate_callback("http://192.168.0.1/", inside)
    with pytest.raises(InvalidRequest):
        validate_callback("http://hooks.internal:70000/", inside)
    named = OutgoingPolicy.parse("hooks.example.com", "")
    validate_callback("https://HOOKS.example.com./", named)
    with pytest.raises(InvalidRequest, match=r"sends to hooks\.example\.com only"):
        validate_callback("https://example.com/", named)
