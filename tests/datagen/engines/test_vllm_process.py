"""The process of the vllm engine, with a fake vLLM: what it is told, and what becomes of each request."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from datagen.engines import vllm
from datagen.engines.engine import EngineDied
from datagen.engines.vllm_process import SHUTDOWN_SECONDS
from datagen.errors import UserError
from datagen.recipe.roles import VllmModel
from datagen.request import Request, Sampling

PARSER = {"reasoning_parser": "qwen3"}


@pytest.fixture(autouse=True)
def log(monkeypatch, tmp_path):
    """Put the process with a fake vLLM in the place of the real one; return the calls that the fake got."""
    monkeypatch.setattr(vllm, "PROCESS", "tests.support.vllm_fake")
    monkeypatch.setattr(vllm, "resolve", lambda spec: "/the/model")
    monkeypatch.setattr(vllm, "gpus", lambda: ["H200"])
    root = str(Path(__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))

    def calls(name):
        lines = (json.loads(line) for line in (tmp_path / "log").read_text().splitlines())
        return [value for what, value in lines if what == name]

    return calls


def request(text, **fields):
    message = {"role": "user", "content": text}
    return Request(row="r", messages=[message], prompt="p", prompt_hash="0", task="t", **fields)


def answers(*requests, **settings):
    """Send requests together; return their completions."""

    async def use(engine):
        return await asyncio.gather(*(engine.answer(asked, f"key {n}") for n, asked in enumerate(requests)))

    return with_engine(use, **settings)


def with_engine(use, **settings):
    async def work():
        engine = vllm.VllmEngine(VllmModel(**settings))
        await engine.start()
        try:
            return await use(engine)
        finally:
            await engine.close()

    return asyncio.run(work())


def test_every_request_gets_its_own_answer_and_a_faulty_one_hinders_no_other(log, capfd):
    limit = Sampling(max_tokens=4)
    fine, cut, unfit, odd, aborted = answers(
        request("fine"),
        request("too long", sampling=limit),
        request("unfit"),
        request("odd"),
        request("abort"),
    )
    assert (fine.text, fine.finish, fine.key) == ("fine", "stop", "key 0")
    assert (fine.prompt_tokens, fine.cached_tokens, fine.completion_tokens) == (len("fine<assistant>"), 3, 4)
    assert fine.logprobs == (-0.5,) * 4 and fine.model == "SmolLM2-135M-synthesizer" and fine.revision
    assert (cut.text, cut.finish) == ("too ", "length")
    assert (unfit.finish, unfit.error, unfit.key) == ("error", "KeyError: 'the grammar is unfit'", "key 2")
    assert unfit.model == fine.model and log("abort") == [["unfit"]]
    assert odd.finish == "error" and odd.error.startswith("AttributeError: ") and odd.key == "key 3"
    assert aborted.finish == "error" and "abort" in aborted.error
    assert not any("unfit" in step for step in log("step"))
    assert capfd.readouterr().err == ""


def test_the_engine_is_told_of_the_model_and_of_what_a_request_demands(log):
    schema = {"type": "object"}
    answers(
        request("a", schema=schema),
        request("b", given=" yes"),
        request("c", choices=("A", "B")),
        max_model_len=999,
    )
    [start] = log("start")
    assert (start["arguments"]["model"], start["arguments"]["max_model_len"]) == ("/the/model", 999)
    assert start["context"] == "throughput"
    told = {call["prompt"][0]: call for call in log("add")}
    assert told["a"]["parameters"]["structured_outputs"] == schema
    assert "structured_outputs" not in told["b"]["parameters"]
    assert {call["parameters"]["output_kind"] for call in told.values()} == {"final only"}
    assert told["b"]["prompt"] == "b<assistant> yes" and told["b"]["parameters"]["prompt_logprobs"] == 0
    assert {*map(ord, "AB")} <= {*told["c"]["parameters"]["logprob_token_ids"]}


def test_scores_are_those_of_the_given_text_and_of_the_labels():
    given, chosen = answers(request("b", given=" yes"), request("c", choices=("A", "B")))
    assert given.text == " yes" and given.logprobs == (-0.25,) * 4
    assert chosen.choices == pytest.approx((-1.0, -1.0)) and chosen.logprobs == (-1.0,)


@pytest.mark.parametrize(
    ("thinking", "told"), [(None, [{}, False]), ("off", [False, False]), (100, [True, False])]
)
def test_a_template_is_told_to_reason_or_not_and_never_before_a_label(log, thinking, told):
    answers(request("a"), request("b", choices=("A", "B")), thinking=thinking, options=PARSER)
    expected = [value if value == {} else {"enable_thinking": value, "thinking": value} for value in told]
    assert log("template") == expected


def test_an_answer_cut_within_the_reasoning_that_the_prompt_opened_is_none():
    [cut] = answers(request("long " * 50, sampling=Sampling(max_tokens=4)), thinking=100, options=PARSER)
    assert cut.finish == "error" and "inside its reasoning" in cut.error and cut.text == ""
    assert cut.completion_tokens == 104


def test_all_requests_that_came_during_a_step_join_those_in_flight(log):
    async def use(engine):
        first = [asyncio.create_task(engine.answer(request(text), text)) for text in ("forever", "s")]
        await computed(log, "s")
        both = await asyncio.gather(*(engine.answer(request(text), text) for text in ("ab", "cd")))
        first[0].cancel()
        return [done.text for done in both]

    assert with_engine(use) == ["ab", "cd"]
    assert [step for step in log("step") if {"ab", "cd"} & {*step}] == [["ab", "cd", "forever"]] * 2


async def computed(log, text):
    """Wait until a step computes a request."""
    while not any(text in step for step in log("step")):
        await asyncio.sleep(0.01)


def test_it_waits_for_requests_without_computing(log):
    async def use(engine):
        await engine.answer(request("ab"), "1")
        await asyncio.sleep(0.2)
        return len(log("step"))

    assert with_engine(use) == 2


def test_a_death_while_computing_fails_the_requests_in_flight():
    async def use(engine):
        asked = [engine.answer(request(text), text) for text in ("a long text", "die")]
        return await asyncio.gather(*asked, return_exceptions=True)

    assert [type(error) for error in with_engine(use)] == [EngineDied] * 2


@pytest.mark.parametrize("text", ["forever", "s"])  # the step of the latter ends after the connection
def test_closing_with_requests_in_flight_ends_the_process_quietly_and_those_of_vllm(log, text, capfd):
    async def use(engine):
        asked = asyncio.create_task(engine.answer(request(text), "1"))
        await computed(log, text)
        process = engine._process
        process.send_signal(signal.SIGINT)  # Ctrl-C reaches all processes of a terminal
        await engine.close()
        with pytest.raises(EngineDied):
            await asked
        return process.returncode

    assert with_engine(use) == 0
    assert log("shutdown") == [SHUTDOWN_SECONDS]
    assert capfd.readouterr().err == ""


def test_one_process_ends_without_clearing_up(log, monkeypatch):
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")

    async def use(engine):
        await engine.answer(request("a"), "1")
        process = engine._process
        await engine.close()
        return process.returncode

    assert with_engine(use) == 0
    assert log("shutdown") == []


@pytest.mark.parametrize(
    ("fake", "settings", "reason"),
    [
        ("not installed", {}, r"(?s)vLLM cannot be loaded: .*pip install 'datagen\[cpu\]'"),
        ("untemplated", {}, "has no chat template"),
        ("", {"max_model_len": 20_000}, "cannot serve the model 'bundled': max_model_len is larger"),
    ],
)
def test_the_reason_why_a_model_cannot_be_served_reaches_the_user(monkeypatch, fake, settings, reason):
    monkeypatch.setenv("FAKE", fake)
    with pytest.raises(UserError, match=reason):
        with_engine(None, **settings)
