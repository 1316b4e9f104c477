"""HTTP: decompression bombs, truncated archives, escape sequences, certificates, and the requests we send."""

import asyncio
import gzip
import itertools
import json
import math
import os
import socket
import ssl
import subprocess
import sys
import tracemalloc
import zlib
from datetime import date

import pytest
from aiohttp import web
from pydantic import ValidationError

from datagen.engines import body, http, open_engine
from datagen.engines import openai as backend
from datagen.engines.chat_body import Dialect, body_of, limit_of, most_bytes
from datagen.engines.engine import Unanswered, Unreachable
from datagen.engines.failures import Faulty
from datagen.engines.identity import circumstances, identify
from datagen.errors import UserError
from datagen.recipe.roles import OpenAIModel, VllmModel
from datagen.redaction import mask_secrets, mask_settings, printable
from datagen.request import Request, Sampling
from tests.support import ROOT
from tests.support.faulty_server import answers, hang_up, reply, serve, serving

EMPTY_BLOCK = b"\0\0\0\xff\xff"  # of a deflate stream
ASKED = Request("r", [{"role": "user", "content": "?"}], "p", "0", "t", Sampling(max_tokens=20))


def spec(url="http://127.0.0.1/v1", **fields):
    return OpenAIModel(**{"engine": "openai", "model": "m", "base_url": url, "retries": 0} | fields)


def ask(*behaviours, path="", **fields):
    async def work():
        async with serve(*behaviours) as server:
            engine = open_engine(spec(server.url + path, **fields))
            await engine.start()
            try:
                return await engine.answer(ASKED, "k"), server
            finally:
                await engine.close()

    return asyncio.run(work())


def ask_once_answered(fault, **fields):
    """Send a request to a server that answers the check, and nothing else."""

    async def behave(request):
        check = (await request.json())["messages"][0]["content"] == "Say yes."
        return await (answers() if check else fault)(request)

    return ask(behave, **fields)


def sends(data, **headers):
    async def behave(request):
        return web.Response(body=data, headers={name.replace("_", "-"): v for name, v in headers.items()})

    return behave


def post(behaviour):
    async def work():
        async with serve(behaviour) as server:
            connection = http.Connection(http.chat_url(server.url), None, "", {}, 1, 5)
            try:
                return await connection.post(b"{}")
            finally:
                await connection.close()

    return asyncio.run(work())


@pytest.mark.parametrize(
    "behaviour",
    [
        sends(gzip.compress(bytes(http.MAX_BYTES * 8)), Content_Encoding="gzip"),
        sends(bytes(http.MAX_BYTES + 1)),
        sends(gzip.compress(b"")[:10] + EMPTY_BLOCK * (http.MAX_BYTES // 5 + 1), Content_Encoding="gzip"),
    ],
    ids=["bomb", "plain", "empty blocks"],
)
def test_a_body_is_limited_in_size(behaviour):
    with pytest.raises(Faulty, match="larger than 32 MB"):
        post(behaviour)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (gzip.compress(b"{}" * 99, mtime=0)[:15], "gzip"),
        (gzip.compress(b"{}", mtime=0) + b"more", "gzip"),
        (gzip.compress(b"{}", mtime=0) * 2 + b"\x1f\x8b", "gzip"),
        (gzip.compress(b"", mtime=0) * (body.MAX_MEMBERS + 1), "gzip"),
        (b"no", "gzip"),
        (b"", "deflate"),
        (b"x", "br"),
    ],
)
def test_a_corrupt_archive_is_a_faulty_reply(data, encoding):
    with pytest.raises(Faulty):
        post(sends(data, Content_Encoding=encoding))


@pytest.mark.slow
def test_a_decompression_bomb_takes_no_more_memory_than_the_limit_allows():
    bomb = sends(gzip.compress(bytes(http.MAX_BYTES * 8)), Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(Faulty, match="larger than 32 MB"):
            post(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * http.MAX_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate")])
def test_a_valid_archive_is_read(pack, encoding):
    assert post(sends(pack(b"fine"), Content_Encoding=encoding)).text == "fine"


@pytest.mark.parametrize("chunk", [1 << 16, 7])
def test_an_archive_of_several_members_is_read_whole(chunk, monkeypatch):
    """RFC 1952 allows them, and proxies that join compressed parts send them."""
    parts = [b'{"a": ', b"", bytes(70_000), b"1}"]
    data = b"".join(map(gzip.compress, parts))

    async def behave(request):
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        for at in range(0, len(data), chunk):
            await response.write(data[at : at + chunk])
        return response

    assert post(behave).text.encode() == b"".join(parts)


def test_all_members_together_are_limited_in_size():
    member = gzip.compress(bytes(http.MAX_BYTES // 4))
    with pytest.raises(Faulty, match="larger than 32 MB"):
        post(sends(member * 5, Content_Encoding="gzip"))


def redirects(*targets, status=307):
    """Redirect each request to the next of the targets, then answer."""
    waiting = iter(targets)

    async def behave(request):
        target = next(waiting, None)
        headers = {"Location": target.replace("HOST", request.host)} if target else {}
        return web.json_response(reply(), status=status if target else 200, headers=headers)

    return behave


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "target", ["/v1/chat/completions?again", "completions", "http://HOST/v1/chat/completions"]
)
def test_a_redirect_on_the_same_server_is_followed_with_the_request(target, status):
    done, server = ask(redirects(target, status=status))
    assert done.text == "fine" and len(server.bodies) == 2 and server.bodies[0] == server.bodies[1]


@pytest.mark.parametrize(
    "target",
    [
        "http://elsewhere.example/v1/chat/completions",
        "https://elsewhere.example/v1/chat/completions",
        "http://127.0.0.1:9/v1/chat/completions",
        "http://127.0.0.2/v1",
        "//elsewhere.example/v1",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://[::1/v1",
        "http://127.0.0.1:port/v1",
        "http://me:hush@127.0.0.1/v1",
        "\\\\elsewhere.example",
    ],
)
def test_a_redirect_to_another_server_is_refused(target, monkeypatch):
    """A request holds documents and the key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with pytest.raises(Unreachable, match=r"it redirects to|HTTP 404") as refusal:
        ask(redirects(*[target] * 9))
    assert "hush" not in str(refusal.value) and "sk-very" not in str(refusal.value)


@pytest.mark.parametrize("status", [300, 303])
def test_a_redirect_that_is_not_followed_is_reported_with_its_target(status):
    """303 asks for a GET, which would lose the request."""
    with pytest.raises(Unreachable, match=f"HTTP {status}: it redirects to /v1/login.*base_url"):
        ask(redirects(*["/v1/login"] * 9, status=status))


def test_a_circle_of_redirects_ends():
    with pytest.raises(Unreachable, match="redirects in a circle"):
        ask(redirects(*["/v1/chat/completions"] * 99))


@pytest.mark.parametrize("status", [300, 303, 304, 307, 401, 403, 404, 405])
def test_a_server_that_alternately_refuses_and_disconnects_is_abandoned(status, monkeypatch):
    monkeypatch.setattr(backend, "FIRST_PAUSE", 0.01)
    count = itertools.count()

    async def behave(request):
        return await (hang_up() if next(count) % 2 else answers("no", status=status))(request)

    with pytest.raises(Unreachable, match=f"refuses every request.*HTTP {status}"):
        ask(behave, retries=2)


@pytest.mark.slow
def test_a_reply_without_content_is_transient():
    empty = sends(b"")

    async def behave(request):
        return web.Response(status=204)

    done, server = ask(behave, empty, answers(), retries=3)
    assert done.text == "fine" and len(server.bodies) == 3


def test_an_untrusted_certificate_is_reported_at_once(tmp_path):
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(
        [*key, "-keyout", tmp_path / "key", "-out", tmp_path / "cert"], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")

    async def work():
        server = await asyncio.start_server(
            lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
        )
        engine = open_engine(spec(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"))
        await engine.start()
        try:
            await asyncio.wait_for(engine.answer(ASKED, "k"), 20)
        finally:
            await engine.close()
            server.close()

    with pytest.raises(Unreachable, match=r"cannot be reached.*certificate"):
        asyncio.run(work())


def test_an_unknown_host_is_reported_at_once(monkeypatch):
    def resolve(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    async def work():
        engine = open_engine(spec("http://modells.example/v1"))
        await engine.start()
        try:
            await asyncio.wait_for(engine.answer(ASKED, "k"), 20)
        finally:
            await engine.close()

    with pytest.raises(Unreachable, match="host does not exist"):
        asyncio.run(work())


def test_escape_sequences_and_the_key_are_removed_from_server_messages(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    message = "\x1b[31mIncorrect key\x1b[0m: sk-very-secret\x07\x1b]0;title\x07 \u202ereversed\r\n\x9b2J."
    done, server = ask(answers(message, status=422))
    assert done.error == "HTTP 422: Incorrect key: *** reversed ."
    assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"


def test_secrets_in_urls_and_settings_are_masked():
    for text in ("http://me:pw@host/x?a=1", "Cannot connect to //host via http://pw@proxy:1"):
        assert "pw@" not in mask_secrets(text) and "host" in mask_secrets(text)
    assert mask_secrets("https://h/v1?api-key=abc&api-version=2") == "https://h/v1?api-key=***&api-version=2"
    options = {"extra_headers": {"X-Api-Key": "abc"}, "max_completion_tokens": 9, "user": "me"}
    assert mask_settings(options) == options | {"extra_headers": {"X-Api-Key": "***"}}
    secret = spec("http://me:hush@h/v1", options=options)
    assert "hush" not in secret.model_dump_json() + repr(secret) and "abc" not in repr(secret)
    assert printable("a\x00b\u2028c\n" + "x" * 900, 10) == "a b c xxx…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x-api-key: abcd1234efgh was refused", "x-api-key: *** was refused"),
        ("{'api_key': 'abcd1234efgh'}", "{'api_key': '***'}"),
        ("https://h/#access_token=abc", "https://h/#access_token=***"),
        ("no such key sk-proj-abcdefgh12345678!", "no such key ***!"),
        ("hf_" + "aB3" * 10, "***"),
        ("AKIA" + "ABCD1234" * 2, "***"),
        ("api_key: authentication required", "api_key: authentication required"),
        ("unknown key: temperature2", "unknown key: temperature2"),
        ("max_tokens: 12345678", "max_tokens: 12345678"),
        ("Authorization: Bearer abcd1234", "Authorization: Bearer ***"),
    ],
)
def test_keys_of_known_forms_are_masked_and_messages_kept(text, shown):
    assert mask_secrets(text) == shown


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["\x1b]", "\x1b]0;a", "\x1b", "\x1b[0", "\x9b1", "\x1bP\x1b"])
def test_a_message_of_unfinished_escape_sequences_takes_linear_time(unit):
    shown = printable(unit * 500_000, 200_000)
    assert "\x1b" not in shown and "\x9b" not in shown


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", [";", "?a-", "&key", "://a"])
def test_secrets_are_masked_in_linear_time(unit):
    assert mask_secrets(unit * 300_000) == unit * 300_000


def test_a_url_keeps_its_query_and_the_recipes_headers_are_sent():
    _, server = ask(answers(), path="?api-version=7", options={"extra_headers": {"X-Team": "a"}})
    assert server.headers[0]["X-Team"] == "a"
    assert http.chat_url("http://h/v1/?api-version=7") == "http://h/v1/chat/completions?api-version=7"


def test_an_invalid_url_is_reported():
    for url in ("http://[::1/v1", "http://h:port/v1"):
        with pytest.raises(UserError, match="base_url"):
            asyncio.run(open_engine(spec(url)).start())


# Request bodies


def test_options_pass_any_parameter_and_null_removes_one():
    options = {"max_completion_tokens": 99, "extra_body": {"top_k": 5}, "temperature": None, "seed": 3}
    body = body_of(ASKED, spec(options=options))
    assert (body["max_completion_tokens"], body["top_k"], body["seed"]) == (99, 5, 3)
    assert not {"max_tokens", "temperature", "extra_body"} & set(body)


def test_thinking_is_switched_off_or_gets_its_own_token_budget():
    off = body_of(ASKED, spec(thinking=False))  # as YAML reads off
    assert off["chat_template_kwargs"]["enable_thinking"] is False and off["max_tokens"] == 20
    bounded = body_of(ASKED, spec(thinking=500))
    assert bounded["max_tokens"] == 520 and bounded["thinking_token_budget"] == 500
    assert "chat_template_kwargs" not in body_of(ASKED, spec())
    other = Dialect()
    other.thinking = "reasoning_effort"
    assert body_of(ASKED, spec(thinking="off"), other)["reasoning_effort"] == "none"
    assert body_of(ASKED, spec(thinking=500), other)["reasoning_effort"] == "low"


def test_a_different_parameter_name_is_learned_once_and_used_from_then_on():
    refusal = answers("Use 'max_completion_tokens' instead of max_tokens", status=400)

    async def work():
        async with serve(refusal, refusal, answers()) as server:
            engine = open_engine(spec(server.url))
            await engine.start()
            both = await asyncio.gather(*(engine.answer(ASKED, key) for key in "ab"))
            await engine.close()
            return both, server.bodies

    both, bodies = asyncio.run(work())
    assert [done.finish for done in both] == ["stop", "stop"] and len(bodies) == 4
    assert all(body["max_completion_tokens"] == 20 and "max_tokens" not in body for body in bodies[2:])


def test_a_server_without_template_parameters_gets_a_reasoning_effort():
    refusal = answers("unexpected field: chat_template_kwargs", status=400)
    done, server = ask(refusal, answers(), thinking="off")
    assert done.finish == "stop" and "chat_template_kwargs" in server.bodies[0]
    assert server.bodies[1]["reasoning_effort"] == "none" and "chat_template_kwargs" not in server.bodies[1]


def test_only_options_that_change_answers_are_part_of_the_identity():
    plain = identify(spec(revision="7"))
    assert plain.revision == "7", "keys of before stay"
    assert identify(spec(revision="7", thinking="off")).revision == "7+thinking=off"
    assert identify(spec(options={"user": "me"})).revision == ""
    assert identify(spec(options={"top_k": 5})) != identify(spec(options={"top_k": 6}))
    small, large = VllmModel(max_model_len=512), VllmModel(max_model_len=1024)
    assert identify(small) == identify(large) and circumstances(small) != circumstances(large)
    assert circumstances(spec(window=1, retries=2)) == circumstances(spec(window=9, retries=3))
    assert circumstances(spec("http://other/v1")) != circumstances(spec())


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 2**31 - 1, "completion_tokens": 1}])
def test_missing_and_impossible_token_counts_are_reported(usage):
    async def work():
        async with serve(answers(reply() | {"usage": usage})) as server:
            engine = open_engine(spec(server.url))
            await engine.start()
            await engine.answer(ASKED, "k")
            await engine.answer(ASKED, "l")
            await engine.close()
            return engine.notices

    (notice,) = asyncio.run(work())
    assert "token counts" in notice and "budget" in notice


@pytest.mark.parametrize(
    ("named", "is_other"),
    [
        ("other/llama-3-8b", True),
        ("fallback-model", True),
        ("Org/Writer", False),
        ("/models/writer-2026-01-01/", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_an_answer_of_another_model_is_reported_once(named, is_other):
    async def work():
        async with serve(answers(reply(prompt_tokens=10) | {"model": named})) as server:
            engine = open_engine(spec(server.url, model="org/writer"))
            await engine.start()
            for key in "kl":
                await engine.answer(ASKED, key)
            await engine.close()
            return engine.notices

    notices = asyncio.run(work())
    assert len(notices) == is_other
    assert all(named in notice and "org/writer" in notice for notice in notices)


@pytest.mark.parametrize(
    ("options", "counted"), [({}, 1), ({"max_tokens": 9_000}, 9_000), ({"max_tokens": 3_000, "n": 3}, 9_000)]
)
def test_token_counts_are_bounded_by_the_limit_that_was_sent(options, counted):
    usage = {"prompt_tokens": 3, "completion_tokens": 9_000}
    done, _ = ask(answers(reply() | {"usage": usage}), options=options)
    assert done.completion_tokens == counted


def test_a_retry_after_beyond_the_patience_is_not_honoured():
    wish = answers("come back tomorrow", status=429, Retry_After="86400")
    said = "asks to wait for 86,400 seconds, longer than the model's patience of 60.*come back tomorrow"
    with pytest.raises(Unreachable, match=said):
        ask(wish, patience=60)
    assert backend.own_pause(10**6) <= backend.LONGEST_PAUSE


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        ("für", "utf-8", "banana"),
        ("für", "utf-8", "iso-8859-1"),
        ("für", "utf-8-sig", ""),
        ("für", "utf-16", ""),
        ("für", "iso-8859-1", "iso-8859-1"),
    ],
)
def test_a_body_is_decoded_by_detection_then_by_the_declared_charset(text, encoding, declared):
    data = json.dumps({"said": text}, ensure_ascii=False).encode(encoding)
    message = post(
        sends(data, Content_Type=f"application/json; charset={declared}" if declared else "text/plain")
    )
    assert json.loads(message.text) == {"said": text}


@pytest.mark.parametrize("charset", ["", "; charset=unicode_escape"])
def test_an_undecodable_body_is_not_guessed(charset):
    with pytest.raises(Faulty, match="not UTF-8"):
        post(sends("für \\ud800".encode("latin-1"), Content_Type=f"application/json{charset}"))


def test_a_second_reply_to_a_request_is_not_the_reply_to_the_next():
    stray = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"two"'

    async def work():
        sent = asyncio.Event()

        async def answer_twice(request):
            loop = asyncio.get_running_loop()
            loop.call_later(0.1, lambda: (request.transport.write(stray), sent.set()))
            return web.Response(text='"one"')

        async with serve(answer_twice) as server:
            connection = http.Connection(http.chat_url(server.url), None, "", {}, 1, 5)
            try:
                assert (await connection.post(b"{}")).text == '"one"'
                await sent.wait()
                await asyncio.sleep(0.1)
                with pytest.raises(Faulty, match="no request asked for"):
                    await connection.post(b"{}")
                assert (await connection.post(b"{}")).text == '"one"'
            finally:
                await connection.close()

    asyncio.run(work())


def test_cookies_of_a_reply_are_not_sent_with_later_requests():
    async def work():
        async with serve(answers(Set_Cookie="session=1; Max-Age=1000")) as server:
            url = server.url.replace("127.0.0.1", "localhost")  # clients ignore cookies of IP addresses
            connection = http.Connection(http.chat_url(url), None, "", {}, 1, 5)
            try:
                await connection.post(b"{}")
                await connection.post(b"{}")
            finally:
                await connection.close()
            return server.headers

    assert all("Cookie" not in headers for headers in asyncio.run(work()))


@pytest.mark.parametrize("encoding", ["gzip", "br"])
@pytest.mark.parametrize("status", [400, 401, 429, 503])
def test_a_status_counts_even_if_its_body_is_unreadable(status, encoding):
    async def behave(request):
        return web.Response(
            status=status, body=b"oh", headers={"Content-Encoding": encoding, "Retry-After": "7"}
        )

    message = post(behave)
    assert (message.status, message.retry_after) == (status, 7) and "cannot be read" in message.text


@pytest.mark.parametrize(
    "options",
    [
        {"extra_headers": {"X": "hush\nY: 1"}},
        {"extra_headers": {"X\r": "hush"}},
        {"extra_headers": ["hush"]},
        {"extra_headers": {"X": ["hush"]}},
        {"extra_body": "hush"},
        {"stream": True},
        {"extra_body": {"stream": True}},
        {"temperature": math.nan},
        {"seed": {1}},
        {"since": date(2024, 1, 1)},
    ],
    ids=str,
)
def test_unsendable_options_are_rejected_before_the_first_request(options):
    with pytest.raises(ValidationError) as refusal:
        spec(options=options)
    assert "hush" not in refusal.value.errors()[0]["msg"]


def test_headers_are_text_and_null_removes_one():
    assert spec(options={"extra_headers": {"X": 5, "Y": None, "Z": "z"}}).headers == {"X": "5", "Z": "z"}


def test_a_trailing_line_break_of_a_key_is_stripped_and_a_two_line_key_is_rejected(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\n")
    assert ask(answers())[1].headers[0]["Authorization"] == "Bearer sk-secret"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\nX-Evil: 1")
    with pytest.raises(UserError, match="OPENAI_API_KEY is not a valid key") as refusal:
        ask(answers())
    assert "sk-secret" not in str(refusal.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (answers("<html>Sign in</html>"), "returns no chat completion.*base_url"),
        (answers('data: {"choices": []}\n\n'), "an event stream"),
        (answers({"error": {"code": 429, "message": "slow"}}), "is up but overloaded.*slow"),
        (answers(status=503), "is up but overloaded"),
    ],
)
def test_a_server_that_is_up_is_not_reported_as_unavailable(fault, said, monkeypatch):
    monkeypatch.setattr(backend, "FIRST_PAUSE", 0.01)
    with pytest.raises(Unreachable, match=said) as error:
        ask(fault, patience=0.1)
    assert "Is the server up" not in str(error.value)


def test_an_invalid_host_name_is_reported_at_once():
    with pytest.raises(Unreachable, match="cannot be reached"):
        asyncio.run(_ask_at("http://.../v1"))


@pytest.mark.slow
def test_requests_in_flight_do_not_delay_the_report_of_a_server_that_is_gone():
    async def first_of(requests):
        engine = open_engine(spec("http://127.0.0.1:9/v1", retries=0, patience=0.5))
        await engine.start()
        asked = [asyncio.ensure_future(engine.answer(ASKED, str(n))) for n in range(requests)]
        done, waiting = await asyncio.wait(asked, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await engine.close()
        return [task.exception() for task in done]

    [error] = asyncio.run(first_of(60))  # one at a time, with pauses, they would take an hour
    assert isinstance(error, Unreachable)


async def _ask_at(url):
    engine = open_engine(spec(url))
    await engine.start()
    try:
        await engine.answer(ASKED, "k")
    finally:
        await engine.close()


UNCLOSED = """
import asyncio, sys, threading
from datagen.engines import http

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()

async def post():
    global connection
    connection = http.Connection(http.chat_url(sys.argv[1]), None, "", {}, 1, 5)
    print((await connection.post(b"{}")).status)

asyncio.run_coroutine_threadsafe(post(), loop).result()
"""


def test_a_process_that_ends_with_an_open_session_prints_no_traceback():
    with serving(answers()) as server:
        done = subprocess.run(
            [sys.executable, "-c", UNCLOSED, server.url],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
    assert (done.stdout, done.stderr) == ("200\n", "")


def most(body):
    return most_bytes(body, len(json.dumps(body)), limit_of(body))


@pytest.mark.slow
def test_a_body_is_limited_to_what_its_request_can_yield():
    with pytest.raises(Unanswered, match=r"larger than .* MB, the limit for this request"):
        ask_once_answered(answers(reply("x" * 13_000_000)))  # in the text and in its token
    long = Request("r", ASKED.messages, "p", "0", "t", Sampling(max_tokens=30_000))
    position = {"token": "\u00e9" * 8, "logprob": -0.5, "bytes": [195, 169] * 8, "top_logprobs": []}
    choice = {"message": {"content": "\u00e9" * 8 * 30_000}, "finish_reason": "length"}
    whole = {"choices": [choice | {"logprobs": {"content": [position] * 30_000}}]}
    assert len(json.dumps(whole)) < most(body_of(long, spec())), "long tokens, escaped, with their bytes"


def test_the_limit_of_a_body_grows_with_every_part_that_a_reply_may_have():
    small = most(body_of(ASKED, spec()))
    assert small < 2 << 20
    scored = Request("r", ASKED.messages, "p", "0", "t", Sampling(max_tokens=20), choices=("a", "b"))
    assert most(body_of(scored, spec())) > most(body_of(scored, spec()) | {"top_logprobs": 0})
    for more in ({"n": 3}, {"max_completion_tokens": 5_000}, {"top_logprobs": 5}, {"user": "u" * 9_000}):
        assert most(body_of(ASKED, spec(options=more))) > small
    assert most(body_of(ASKED, spec(options={"max_tokens": None}))) > http.MAX_BYTES
    assert most(body_of(ASKED, spec(thinking=9_000))) > small + 9_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (answers(after=1.0), r"no complete reply within 0.3 seconds \(timeout\)"),
        (answers(X_Long="a" * 100_000), "the reply is not valid HTTP: Got more than"),
    ],
)
def test_a_failure_of_the_http_client_is_described_in_words(fault, said):
    with pytest.raises(Unanswered, match=said) as caught:
        ask_once_answered(fault, timeout=0.3)
    assert "400" not in str(caught.value), "the server did not send this status"
