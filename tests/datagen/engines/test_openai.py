"""The openai engine against a faulty server, and its translation without one."""

import asyncio
import math
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import BaseModel

from datagen.engines import open_engine, pace
from datagen.engines import openai as backend
from datagen.engines.chat_body import body_of, strict
from datagen.engines.engine import Unanswered, Unreachable
from datagen.engines.http import asked_pause, proxy_for
from datagen.engines.protocol import scores
from datagen.errors import UserError
from datagen.recipe.roles import OpenAIModel
from datagen.request import Request, Sampling
from tests.support.faulty_server import answers, half, hang_up, once_a_connection, reply, serve


def request(**fields):
    message = {"role": "user", "content": "Say it."}
    return Request(row="r", messages=[message], prompt="p", prompt_hash="0", task="t", **fields)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(backend, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(pace, "FIRST_PAUSE", 0.01)


MODEL = {"engine": "openai", "model": "writer", "revision": "7", "api_key_env": "TEST_KEY"}


def ask(
    *behaviours, requests=1, retries=3, timeout=5.0, patience=0.5, fields=None, gap=0.0, model=None, **options
):
    """
    Send requests to a server with this behaviour; return the completions, or the error, and the server.

    A request that was given up has its reason in place of a completion. `options` are the server's.
    """

    async def work():
        async with serve(*behaviours, **options) as server:
            limits = {"retries": retries, "timeout": timeout, "patience": patience}
            spec = OpenAIModel(**MODEL | limits | {"base_url": server.url} | (model or {}))
            engine = open_engine(spec)
            await engine.start()
            try:
                results = []
                for number in range(requests):
                    try:
                        results.append(await engine.answer(request(**fields or {}), f"key-{number}"))
                    except Unanswered as why:
                        results.append(str(why))
                    await asyncio.sleep(gap)
                return results, server
            except Unreachable as error:
                return error, server
            finally:
                await engine.close()
                await engine.close()

    return asyncio.run(work())


SPEC = OpenAIModel(**MODEL, base_url="http://127.0.0.1/v1")


class Pair(BaseModel):
    question: str
    answer: str = ""


def test_the_body_contains_every_field_of_the_request():
    sampling = Sampling(max_tokens=9, temperature=0.7, top_p=0.9, repetition_penalty=1.2, stop=("END",))
    body = body_of(request(sampling=sampling, schema=Pair.model_json_schema()), SPEC)
    assert body["model"] == "writer" and body["messages"][0]["content"] == "Say it."
    assert (body["max_tokens"], body["temperature"], body["top_p"]) == (9, 0.7, 0.9)
    assert body["stop"] == ["END"] and body["repetition_penalty"] == 1.2 and body["logprobs"] is True
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] and schema["schema"]["additionalProperties"] is False
    assert schema["schema"]["required"] == ["question", "answer"]  # required in strict mode
    assert "seed" not in body


def test_a_choice_requests_one_token():
    body = body_of(request(choices=("A", "B"), sampling=Sampling(max_tokens=50)), SPEC)
    assert body["max_tokens"] == 1 and body["logprobs"] is True and body["top_logprobs"] == 20


def test_strict_applies_to_nested_objects_and_keeps_the_rest():
    class Pairs(BaseModel):
        pairs: list[Pair]

    schema = Pairs.model_json_schema()
    assert strict(schema)["$defs"]["Pair"]["additionalProperties"] is False
    assert "additionalProperties" not in schema["$defs"]["Pair"]


def test_scores_add_the_spellings_of_a_label_and_exclude_ambiguous_ones():
    top = [("A", math.log(0.5)), (" A", math.log(0.25)), ("\n", -3.0), ("C", -4.0)]
    a, b = scores(top, ("A", "B"))
    assert a == pytest.approx(math.log(0.75)) and b == -math.inf
    both = scores([("un", -1.0)], ("unknown", "unsure"))
    assert both == (-math.inf, -math.inf)


def test_retry_after_is_seconds_or_a_date_by_the_servers_clock():
    sent = "Thu, 01 Jan 2026 00:00:00 GMT"
    assert asked_pause("7", sent) == 7
    assert asked_pause("Thu, 01 Jan 2026 00:00:09 GMT", sent) == 9
    assert asked_pause("Wed, 31 Dec 2025 00:00:00 GMT", sent) == 0
    for odd in ("soon", "1_0", "nan", "inf", "-5", "1e999", None, ""):
        assert asked_pause(odd, sent) == 0


@pytest.mark.parametrize("sent", [None, "", "today", "Thu, 01 Jan 2026 00:00:00 -0000"])
def test_without_a_date_of_the_reply_this_machines_clock_counts(sent):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < asked_pause(later, sent) <= 90


def test_a_complete_answer_is_read(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "secret")
    body = reply("A", "length", top=[("A", -0.1)], prompt_tokens_details={"cached_tokens": 8})
    (done,), server = ask(answers(body), fields={"choices": ("A", "B")})
    assert (done.key, done.text, done.finish, done.model, done.revision) == (
        "key-0",
        "A",
        "stop",
        "writer",
        "7",
    )
    assert (done.prompt_tokens, done.cached_tokens, done.completion_tokens) == (10, 8, 1)
    assert done.logprobs == (-0.5,) and done.choices == (pytest.approx(-0.1), -math.inf)
    assert server.headers[0]["Authorization"] == "Bearer secret"


def test_a_truncated_answer_has_finish_length():
    (done,), _ = ask(answers(reply("fin", "length")))
    assert done.finish == "length" and done.text == "fin"


@pytest.mark.parametrize(
    "fault",
    [
        answers("{}", status=500),
        answers("busy", status=503),
        answers("slow down", status=429),
        answers("<html>a proxy's page</html>"),
        answers({"choices": []}),
        answers({"choices": [{"message": None, "finish_reason": "stop"}]}),
        answers('{"choices": [{"mess'),
        half(),
        hang_up(),
        answers(after=1.0),
    ],
    ids=["500", "503", "429", "html", "no-choices", "no-message", "cut-json", "half", "hang-up", "silent"],
)
def test_a_transient_fault_is_retried(fault):
    (done,), server = ask(fault, fault, answers(), timeout=0.3)
    assert done.finish == "stop" and done.text == "fine" and len(server.bodies) == 3


@pytest.mark.parametrize("fault", [answers("down", status=500), answers("<html>", status=200)])
def test_a_server_that_never_answers_properly_ends_the_run_with_one_message(fault):
    error, server = ask(fault, retries=2)
    assert isinstance(error, Unreachable) and isinstance(error, UserError)
    assert len(server.bodies) == 4, "three tries, and the check"
    assert "attempts: 3" in str(error) and server.url in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [answers("down", status=503), answers("wait", status=429), hang_up()])
def test_an_unavailable_server_is_waited_for_within_the_patience(fault):
    error, server = ask(fault, retries=0, patience=0.3)
    assert isinstance(error, Unreachable) and server.url in str(error)
    assert server.times[-1] - server.times[0] >= 0.25
    (done,), _ = ask(*[fault] * 6, answers(), retries=0, patience=60)
    assert done.text == "fine"


@pytest.mark.slow
@pytest.mark.parametrize("fault", [answers("down", status=503), answers("null"), hang_up()])
def test_the_wait_ends_with_the_patience_regardless_of_remaining_retries(fault):
    error, server = ask(fault, retries=20, patience=0.3)
    assert isinstance(error, Unreachable) and len(server.bodies) < 50


def test_a_pause_beyond_the_patience_is_not_waited_for_by_more_tries():
    error, server = ask(answers("tomorrow", status=429, Retry_After="86400"), retries=100, patience=60)
    assert isinstance(error, Unreachable) and len(server.bodies) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("fault", [answers("down", status=502), answers("wait", status=429)])
def test_a_single_busy_request_that_outlasts_the_patience_does_not_end_the_run(fault, monkeypatch):
    monkeypatch.setattr(backend, "BUSY_TRIES", 3)
    monkeypatch.setattr(backend, "LONGEST_PAUSE", 0.2)

    async def behave(request):
        check = (await request.json())["messages"][0]["content"] == "Say yes."
        return await (answers() if check else fault)(request)

    (result,), _ = ask(behave, patience=0.05)
    assert "no answer" in result, "the server answers the check, so only this request is dropped"


HANG_UP = hang_up()
FAULTS = [answers("null"), answers("CUDA error", status=500), HANG_UP, half(), answers(after=1.0)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_one_request_affects_only_that_request(fault):
    good, sent = answers(), [fault]
    if fault is HANG_UP:  # after a reply, on a connection that the server may have closed: sent again at once
        sent = [fault] * 2
    script = (good, *sent, fault, fault, good, *sent, good)
    (first, second, third), _ = ask(*script, requests=3, retries=2, timeout=0.3)
    assert (first.finish, third.finish) == ("stop", "stop")
    assert "no answer (attempts: 4)" in second, "one more try after the check"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "tries"), [*((fault, 3) for fault in FAULTS), (answers("blocked", status=403), 1)]
)
def test_a_request_whose_tries_fell_into_an_outage_is_answered_after_it(fault, tries):
    (_, second), _ = ask(answers(), *[fault] * tries, answers(), requests=2, retries=2, timeout=0.3)
    assert second.text == "fine"


@pytest.mark.parametrize("fault", [answers("CUDA error", status=500), hang_up()])
def test_an_outage_loses_none_of_the_requests_that_wait_for_its_end(fault):
    async def work():
        async with serve(*[answers()] * 8, *[fault] * 60, answers()) as server:
            limits = {"retries": 1, "timeout": 5.0, "patience": 60, "window": 8}
            engine = open_engine(OpenAIModel(**MODEL | limits | {"base_url": server.url}))
            await engine.start()
            tasks = [engine.answer(request(), str(number)) for number in range(40)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await engine.close()
            return results

    assert [done.text for done in asyncio.run(work())] == ["fine"] * 40


def test_a_missing_server_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def work():
        url = f"http://127.0.0.1:{port}/v1"
        spec = OpenAIModel(engine="openai", model="m", base_url=url, retries=1, patience=0.2)
        engine = open_engine(spec)
        await engine.start()
        try:
            with pytest.raises(Unreachable, match=rf"127.0.0.1:{port}.*\d+ attempts"):
                await engine.answer(request(), "k")
            async with serve(answers(), port=port):  # and is reached once it is up
                return await engine.answer(request(), "k")
        finally:
            await engine.close()

    assert asyncio.run(work()).text == "fine"


def test_the_user_is_notified_that_the_run_waits(monkeypatch):
    monkeypatch.setattr(backend, "NOTICE_AFTER", 0.0)

    async def work():
        async with serve(*[answers("starting", status=503)] * 4, answers()) as server:
            engine = open_engine(OpenAIModel(engine="openai", model="m", base_url=server.url))
            await engine.start()
            await engine.answer(request(), "k")
            await engine.close()
            return engine.notices, server.url

    (notice,), url = asyncio.run(work())
    assert "waiting for" in notice and url in notice and "starting" in notice and "1,800" in notice


@pytest.mark.slow
def test_retry_after_delays_all_requests():
    async def work():
        async with serve(answers("wait", status=429, Retry_After="1"), answers()) as server:
            engine = open_engine(OpenAIModel(engine="openai", model="m", base_url=server.url))
            await engine.start()
            first = asyncio.create_task(engine.answer(request(), "1"))
            while not server.bodies:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)  # the refusal has arrived
            await asyncio.gather(first, *(engine.answer(request(), str(n)) for n in range(5)))
            await engine.close()
            return server.times

    first, *others = asyncio.run(work())
    assert len(others) == 6 and min(others) - first >= 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_permanent_rejection_is_not_retried(status):
    (done,), server = ask(answers("context length exceeded", status=status))
    assert done.finish == "error" and "context length exceeded" in done.error and len(server.bodies) == 1


@pytest.mark.parametrize(("status", "advice"), [(401, "TEST_KEY"), (403, "TEST_KEY"), (404, "base_url")])
def test_a_refusal_of_every_request_ends_the_run(status, advice):
    error, server = ask(answers("no", status=status))
    assert isinstance(error, Unreachable) and advice in str(error) and "no" in str(error)
    assert len(server.bodies) == 2, "the request, and the check"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_one_request_affects_only_that_request(status):
    flagged = answers({"error": {"code": status, "message": "your input was flagged"}}, status=status)
    (first, second), server = ask(flagged, answers(), flagged, answers(), requests=2)
    assert first.finish == "error" and "your input was flagged" in first.error
    assert second.text == "fine" and len(server.bodies) == 4, "the check, and one more try after it"


@pytest.mark.parametrize("status", [403, 404, 500, 200])
def test_a_server_that_closes_connections_without_notice_loses_no_request(status):
    fault = answers({"error": {"message": "your input was flagged"}}, status=status) if status > 200 else None
    told = once_a_connection(lambda request: next(behaviours)(request))
    behaviours = iter([fault or answers(), answers(), fault or answers(), answers(), answers()])
    (first, second), _ = ask(told, requests=2, retries=0)
    assert "flagged" in str(first) if fault else first.text == "fine"
    assert second.text == "fine"


def test_a_filtered_answer_is_an_error():
    (done,), _ = ask(answers(reply("", "content_filter")))
    assert done.finish == "error" and "content_filter" in done.error


def test_requests_to_a_server_without_logprobs_omit_them():
    refusal = answers("logprobs are not supported with this model", status=400)
    plain = reply()
    plain["choices"][0]["logprobs"] = None
    results, server = ask(refusal, answers(plain), requests=2)
    assert [done.finish for done in results] == ["stop", "stop"] and results[0].logprobs == ()
    assert ["logprobs" in body for body in server.bodies] == [True, False, False]
    (done,), _ = ask(answers(plain), fields={"choices": ("A", "B")})
    assert done.finish == "error" and "logprobs" in done.error


@pytest.mark.slow
@pytest.mark.parametrize("server", [{"keepalive_timeout": 0.05}, {"keepalive_timeout": 60}, {}])
def test_persistent_and_closed_connections_work(server):
    results, log = ask(answers(close=not server), requests=4, gap=0.1, **server)
    assert [done.text for done in results] == ["fine"] * 4 and len(log.bodies) == 4


def test_scoring_a_given_text_is_rejected_for_the_whole_run():
    async def work():
        async with serve(answers()) as server:
            engine = open_engine(OpenAIModel(engine="openai", model="m", base_url=server.url))
            await engine.start()
            with pytest.raises(UserError, match="engine: vllm"):
                await engine.answer(request(given="an answer"), "k")
            await engine.close()
            return server.bodies

    assert asyncio.run(work()) == []


def test_the_environments_proxy_is_used_except_for_excluded_hosts(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert proxy_for("http://models.example/v1/chat/completions") == "http://proxy:3128"
    assert proxy_for("http://127.0.0.1:8000/v1/chat/completions") is None


def test_a_url_without_a_scheme_is_rejected():
    engine = open_engine(OpenAIModel(engine="openai", model="m", base_url="localhost:8000/v1"))
    with pytest.raises(UserError, match="http://"):
        asyncio.run(engine.start())


@pytest.mark.parametrize("attempt", [1, 2, 5])
def test_the_pause_between_tries_doubles(attempt):
    longest = min(backend.FIRST_PAUSE * 2 ** (attempt - 1), backend.LONGEST_PAUSE)
    assert longest / 2 <= backend.own_pause(attempt) <= longest
