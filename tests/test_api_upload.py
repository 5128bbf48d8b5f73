import asyncio
import random
from contextlib import suppress

import pytest

from endpoint.api import upload
from endpoint.api.errors import ClientGone
from endpoint.api.upload import MAX_PARTS, read_form
from endpoint.errors import DeadlineExceeded, EndpointError, InvalidRequest, TooLarge
from tests.api_support import AUDIO, StandIn, assert_error, client_of

B = "xYz"
MAX = 10_000
PATH = "/v1/audio/transcriptions"


def part(disposition, content, extra=b""):
    head = f"--{B}\r\nContent-Disposition: form-data; {disposition}\r\n".encode()
    return head + extra + b"\r\n" + content + b"\r\n"


FILE = part('name="file"; filename="ü.wav"', b"\0\r\n--\xff" * 100, b"Content-Type: audio/wav\r\n")
END = f"--{B}--\r\n".encode()
FORM = part('name="prompt"', "né".encode()) + FILE + part('name="x"', b"") + END


def receiver(chunks, gap=0.0, then_leave=False):
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting.append({"type": "http.disconnect"} if then_leave else {"type": "http.request", "more_body": False})

    async def receive():
        await asyncio.sleep(gap)
        return waiting.pop(0)

    return receive


async def read(*chunks, kind=f"multipart/form-data; boundary={B}", limit=MAX, headers=(), **options):
    return await read_form(receiver(chunks, **options), {"content-type": kind, **dict(headers)}, limit)


def contents(form):
    return [(file.name, file.data.read()) for file in form.files]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
async def test_any_chunking_gives_the_same_form(size):
    form = await read(*(FORM[i : i + size] for i in range(0, len(FORM), size)))
    assert form.fields == (("prompt", "né"), ("x", ""))
    assert contents(form) == [("ü.wav", b"\0\r\n--\xff" * 100)]
    assert not form.several


async def test_a_file_without_a_name_or_under_another_name():
    form = await read(part('name="file"', b"x", b"Content-Type: audio/wav\r\n") + END)
    assert contents(form) == [("", b"x")]
    form = await read(part('name="audio"; filename="a"', b"x" * 100_000) + END, limit=200_000)
    assert (form.files, form.fields) == ((), ())


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "audio/wav",
        "multipart/mixed; boundary=x",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 71,
    ],
)
async def test_other_bodies_are_refused_unread(kind):
    with pytest.raises(InvalidRequest) as failure:
        await read_form(None, {"content-type": kind}, MAX)
    assert failure.value.code == "invalid_form"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\r\n" * 1000,
        FORM[:-1].removesuffix(b"--\r"),
        FORM[: len(FORM) // 2],
        FORM.replace(b"xYz", b"other"),
        f"--{B}\r\nContent-Disposition: form-data\r\n\r\nx\r\n".encode() + END,
        f"--{B}\r\n\r\nx\r\n".encode() + END,
        f"--{B}\r\nbad header\r\n\r\nx\r\n".encode() + END,
        part('name="a"', b"", b"X: y\r\n" * 20) + END,
        part('name="a"', b"", b"X: " + b"y" * 5000 + b"\r\n") + END,
        part('name="a"', b"") * (MAX_PARTS + 1) + END,
    ],
)
async def test_broken_forms(body):
    with pytest.raises(InvalidRequest) as failure:
        await read(body, limit=1_000_000)
    assert failure.value.code == "invalid_form"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (part('name="prompt"', b"\xff") + END, "prompt"),
        (part('name="prompt"', b"x" * 65_537) + END, "prompt"),
        (part('name="file"', b"@a.wav") + END, "file"),
    ],
)
async def test_wrong_parts_are_named(body, param):
    with pytest.raises(InvalidRequest) as failure:
        await read(body)
    assert failure.value.param == param


async def test_the_limit_is_exact():
    head = part('name="file"; filename="a"', b"x" * MAX) + END
    assert len((await read(head)).files[0].data) == MAX
    with pytest.raises(TooLarge):
        await read(part('name="file"; filename="a"', b"x" * (MAX + 1)) + END)


async def test_content_length_is_believed_before_the_body_is_read():
    with pytest.raises(TooLarge, match="10000 bytes"):
        await read_form(None, {"content-type": f"multipart/form-data; boundary={B}", "content-length": "10000000"}, MAX)
    assert (await read(FORM, headers={"content-length": "²"})).files


def named(name, content):
    return part(f'name="{name}"; filename="{content}.wav"', content.encode())


@pytest.mark.parametrize(
    "names", [("file", "file"), ("files[]", "files[]"), ("files", "file"), ("files[]",), ("file[]",)]
)
async def test_several_files_in_the_order_sent(names):
    form = await read(b"".join(named(name, f"{k}") for k, name in enumerate(names)) + END)
    assert contents(form) == [(f"{k}.wav", f"{k}".encode()) for k in range(len(names))]
    assert form.several


async def test_several_files_share_the_limit():
    half = part('name="files[]"; filename="a"', b"x" * (MAX // 2))
    assert len((await read(half + half + END)).files) == 2
    with pytest.raises(TooLarge):
        await read(half + half + named("file", "y") + END)


async def test_endless_bodies_are_cut():
    asked = 0

    async def receive():
        nonlocal asked
        asked += 1
        body = b"x" * 65_536 if asked > 1 else part('name="other"; filename="a"', b"")[:-2]
        return {"type": "http.request", "body": body, "more_body": True}

    with pytest.raises(TooLarge):
        await read_form(receive, {"content-type": f"multipart/form-data; boundary={B}"}, MAX)
    assert asked <= (MAX + upload.MAX_FORM_BYTES) // 65_536 + 2


async def test_a_client_that_stops_or_trickles(monkeypatch):
    monkeypatch.setattr(upload, "STALL_SECONDS", 0.1)
    for gap in (30.0, 0.03):
        with pytest.raises(DeadlineExceeded) as failure:
            await read(*(FORM[i : i + 1] for i in range(len(FORM))), gap=gap)
        assert failure.value.code == "upload_timeout"


async def test_a_steady_upload_may_take_longer_than_a_stall(monkeypatch):
    monkeypatch.setattr(upload, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(upload, "MIN_BYTES_PER_SECOND", 100)
    size = -(-len(FORM) // 10)
    form = await read(*(FORM[i : i + size] for i in range(0, len(FORM), size)), gap=0.05)
    assert form.files


async def test_a_client_that_leaves():
    with pytest.raises(ClientGone):
        await read(FORM[:50], then_leave=True)


async def test_damaged_forms_fail_only_as_requests():
    chance = random.Random(3)
    for _ in range(400):
        body = bytearray(FORM)
        for _ in range(chance.randint(1, 8)):
            where = chance.randrange(len(body))
            body[where : where + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 4))
        kind = f"multipart/form-data; boundary={B}"
        if chance.random() < 0.3:
            kind = kind[: chance.randrange(len(kind))] + chance.choice(["", '"', ";", "=", "*=utf-8''%ff", "\xff"])
        with suppress(EndpointError):
            await read(bytes(body), kind=kind)


@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b"{}", {"content-type": "application/json"}, "invalid_form"),
        (b"a=b&" * 100_000, {"content-type": "application/x-www-form-urlencoded"}, "invalid_form"),
        (AUDIO, {"content-type": "audio/flac"}, "invalid_form"),
        (FORM, {"content-type": f"multipart/form-data; boundary={B}", "content-encoding": "gzip"}, "invalid_form"),
        (b"", {}, "invalid_form"),
    ],
)
async def test_refusals_over_http(content, headers, code):
    async with client_of(StandIn()) as client:
        assert_error(await client.post(PATH, content=content, headers=headers), 400, code)
