"""A language model that is asked within limits of time, tokens and bytes, and that is not trusted."""

from __future__ import annotations

import asyncio

import pytest

from endpoint.call import Record
from endpoint.postprocess.model import Allowance, Failed, LanguageModel, tokens_of
from endpoint.postprocess.prompts import Punctuated, Question, Shape
from tests.language_model import Asked, Chat, Raw, chat, obedient

QUESTION = Question("Punctuate.", "transcript", "hello world", Punctuated, 100)


def model_of(server: Chat, at_once: int = 8, **extra: object) -> LanguageModel:
    return LanguageModel(server.url, "the-key", "small", at_once=at_once, extra=extra)


def allowance(seconds: float = 120.0, most: int = 1_000_000, record: Record | None = None) -> Allowance:
    return Allowance(asyncio.get_running_loop().time() + seconds, most, record or Record())


async def ask(server: Chat, question: Question[Punctuated] = QUESTION, given: Allowance | None = None) -> Shape:
    model = model_of(server)
    try:
        return await model.ask(question, given or allowance())
    finally:
        await model.close()


async def test_what_is_sent() -> None:
    with chat(obedient) as server:
        made = await ask(server)
    assert made == Punctuated(text="Hello world.")
    (asked,) = server.asked
    assert asked.headers["authorization"] == "Bearer the-key"
    assert (asked.body["model"], asked.body["temperature"], asked.body["max_completion_tokens"]) == ("small", 0, 100)
    schema = asked.body["response_format"]["json_schema"]
    assert schema["strict"]
    assert schema["schema"]["additionalProperties"] is False
    assert schema["schema"]["required"] == ["text"]
    assert "hello world" not in asked.system  # text of a recording is in the data alone
    assert asked.data == "hello world"


async def test_each_request_has_marks_of_its_own_that_the_text_cannot_know() -> None:
    with chat(obedient) as server:
        model = model_of(server)
        await model.ask(QUESTION, allowance())
        await model.ask(QUESTION, allowance())
        await model.close()
    marks = {asked.body["messages"][1]["content"].split()[1] for asked in server.asked}
    assert len(marks) == 2
    assert all(len(mark) == 16 for mark in marks)


async def test_what_the_settings_add_takes_precedence() -> None:
    with chat(obedient) as server:
        model = model_of(server, temperature=None, chat_template_kwargs={"enable_thinking": False})
        await model.ask(QUESTION, allowance())
        await model.close()
    assert "temperature" not in server.asked[0].body
    assert server.asked[0].body["chat_template_kwargs"] == {"enable_thinking": False}


GARBAGE = {
    "no JSON": "Sure! Here is the text: Hello world.",
    "another field": {"text": "Hello world.", "note": "done"},
    "no field": {},
    "another type": {"text": ["Hello world."]},
    "a list": [{"text": "Hello world."}],
    "nothing": "",
    "JSON in Markdown": '```json\n{"text": "Hello world."}\n```',
    "depth": '{"text": ' + "[" * 100_000,
    "no completion": Raw(b"<html>busy</html>"),
    "no choice": Raw(b'{"choices": []}'),
    "other types": Raw(b'{"choices": 7}'),
    "no content": Raw(b'{"choices": [{"message": {"content": null}}]}'),
    "tokens below zero": Raw(b'{"choices": [{"message": {"content": "{}"}}], "usage": {"total_tokens": -5}}'),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage(name: str) -> None:
    with chat(lambda _: GARBAGE[name]) as server, pytest.raises(Failed) as raised:
        await ask(server)
    assert raised.value.reason == "invalid_response"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "refused"), (401, "refused"), (404, "refused"), (422, "refused"), (500, "server_error")],
)
async def test_errors_of_the_server(status: int, reason: str) -> None:
    with chat(lambda _: status) as server, pytest.raises(Failed) as raised:
        await ask(server)
    assert raised.value.reason == reason
    assert "hello" not in str(raised.value)
    assert raised.value.__cause__ is None  # whose message quotes the text


async def test_a_response_without_end() -> None:
    with chat(obedient) as server:
        server.endless = True
        with pytest.raises(Failed) as raised:
            await ask(server)
    assert raised.value.reason == "invalid_response"


async def test_a_response_that_was_cut_off() -> None:
    with chat(obedient) as server:
        server.finish_reason = "length"
        with pytest.raises(Failed) as raised:
            await ask(server)
    assert raised.value.reason == "cut_off"


async def test_no_response_in_time() -> None:
    with chat(obedient) as server:
        server.gate.clear()
        with pytest.raises(Failed) as raised:
            await ask(server, given=allowance(seconds=0.2))
    assert raised.value.reason == "timeout"


async def test_a_server_that_is_not_there() -> None:
    with chat(obedient) as server:
        gone = server
    with pytest.raises(Failed) as raised:
        await ask(gone)
    assert raised.value.reason == "unreachable"


async def test_a_redirect_is_not_followed() -> None:
    with chat(obedient) as elsewhere, chat(obedient) as server:
        server.redirect = f"{elsewhere.url}/chat/completions"
        with pytest.raises(Failed):
            await ask(server)
    assert elsewhere.asked == []


async def test_no_proxy_gets_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with chat(obedient) as proxy, chat(obedient) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
        await ask(server)
    assert proxy.asked == []
    assert "org-of-somebody" not in server.asked[0].headers.values()


async def test_tokens_are_counted_and_limited() -> None:
    record = Record()
    with chat(obedient) as server:
        given = allowance(record=record)
        await ask(server, given=given)
        assert (given.spent, record.language_tokens) == (10, 10)
        server.usage = None  # then what was reserved counts
        await ask(server, given=given)
        assert given.spent > 100
        with pytest.raises(Failed) as raised:
            await ask(server, given=allowance(most=given.spent + 50, record=record))
        assert raised.value.reason == "token_limit"
        assert len(server.asked) == 2


async def test_concurrent_requests_do_not_pass_the_limit_together() -> None:
    record = Record()
    with chat(obedient) as server:
        server.gate.clear()
        model = model_of(server)
        each = [asyncio.ensure_future(model.ask(QUESTION, allowance(most=1_000, record=record))) for _ in range(20)]
        while sum(one.done() for one in each) + len(server.asked) < 20:  # noqa: ASYNC110 - in another thread
            await asyncio.sleep(0.01)
        assert 0 < record.language_tokens <= 1_000
        server.gate.set()
        made = await asyncio.gather(*each, return_exceptions=True)
        await model.close()
    assert {one.reason for one in made if isinstance(one, Failed)} == {"token_limit"}
    assert record.language_tokens == 10 * len(server.asked)


async def test_so_many_at_once() -> None:
    def slowly(asked: Asked) -> object:
        return obedient(asked)

    with chat(slowly) as server:
        model = model_of(server, at_once=2)
        await asyncio.gather(*(model.ask(QUESTION, allowance()) for _ in range(12)))
        await model.close()
    assert server.most_at_once <= 2
    assert len(server.asked) == 12


@pytest.mark.parametrize("text", ["", "hello world", "今天天气很好", "é" * 100])
def test_tokens_are_counted_high(text: str) -> None:
    assert tokens_of(text) >= len(text) // 4 + 1
