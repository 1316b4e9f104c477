"""Replies: any JSON gives a completion, a rejection or a transient failure, and nothing else."""

import json
import math
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.answer_json import json_parts
from datagen.engines.failures import Busy, Failure, Faulty, Refused, Rejected, of_status
from datagen.engines.protocol import completion_of, estimate, reported
from datagen.engines.reply import read_reply
from datagen.reasoning import PAIRS, split
from datagen.request import Answer, Identity, Request, Sampling
from datagen.store.completions import Completions
from datagen.store.journal import Journal
from tests.support.faulty_server import reply
from tests.support.toys import Pair

MODEL = Identity("m", "1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ODD = JSON | st.sampled_from(
    ["10", 1e30, -5, float("nan"), "\ud83d", [{"type": "text", "text": "x"}], 10**400]
)


def asked(**fields):
    return Request("r", [{"role": "user", "content": "?"}], "p", "0", "t", **fields)


def read(value, **fields):
    text = value if isinstance(value, str) else json.dumps(value)
    return completion_of(read_reply(text), asked(**fields), "k", MODEL)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in items:
        yield from places(part, (*path, name))


def put(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


WHOLE = reply("A", top=[("A", -0.1), ("B", -2.0)], prompt_tokens_details={"cached_tokens": 3})
WHOLE["choices"][0]["message"] |= {"refusal": None, "reasoning_content": "hm", "tool_calls": []}
PLACES = list(places(WHOLE))


def classified(value, request):
    """Read a reply, store the completion and read it back: pairs of each field before and after."""
    try:
        done = completion_of(read_reply(value), request, "k", MODEL)
    except Failure:
        return []
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("os.fsync", lambda _: None)
        store = Completions(Path(folder))
        journal = Journal(store.folder, "j")
        journal.append(done)
        journal.close()
        store.settle()
        kept = store.find(["k"])["k"]
    tokens = [0 <= count < 2**31 for count in (kept.prompt_tokens, kept.completion_tokens)]
    return [
        (done.text, kept.text),
        (done.finish, kept.finish),
        (done.error, kept.error),
        ({}, store.damage),
        ([True, True], tokens),
    ]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(JSON | st.text(max_size=40), st.booleans())
def test_any_json_value_as_reply_is_classified(value, choosing):
    text = value if isinstance(value, str) else json.dumps(value)
    for before, after in classified(text, asked(choices=("A", "B") if choosing else ())):
        assert after == before


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=3), st.booleans(), st.booleans()
)
def test_any_mutation_of_a_reply_is_classified(changes, choosing, schema):
    value = WHOLE
    for path, new in changes:
        try:
            value = put(value, path, new)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change removed its place
    request = asked(choices=("A", "B") if choosing else (), schema={"type": "object"} if schema else None)
    for before, after in classified(json.dumps(value), request):
        assert after == before


@pytest.mark.parametrize("content", [7, {"question": "?"}, True, [3], [{"type": "text", "text": 3}]])
def test_content_of_another_type_is_not_an_answer(content):
    body = reply()
    body["choices"][0]["message"]["content"] = content
    with pytest.raises(Faulty):
        read(body)


def test_text_parts_are_joined_and_reasoning_parts_are_separated():
    body = reply()
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "fi"},
    ]
    body["choices"][0]["message"]["content"] = [*parts, {"type": "text", "text": "ne"}, {"type": "image_url"}]
    done = read(body)
    assert (done.text, done.reasoning) == ("fine", "hm")


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({"prompt_tokens": "10", "completion_tokens": 4.0}, (10, 4)), ({"prompt_tokens": -1}, (1, 1))]
    + [(usage, (1, 1)) for usage in (None, [], 7, {"prompt_tokens": 1e30, "completion_tokens": True})]
    + [({"prompt_tokens": 0, "completion_tokens": 0}, (1, 1))],
)
def test_missing_or_invalid_usage_is_counted_or_estimated(usage, tokens):
    done = read(reply() | {"usage": usage})  # one token of log probabilities, one character asked
    assert (done.prompt_tokens, done.completion_tokens) == tokens
    assert estimate("abc" * 10, "é") == 11


@pytest.mark.parametrize("page", ["<!DOCTYPE html><p>Sign in", "\n <HTML lang=en>", "<body>Blocked"])
def test_a_page_of_a_proxy_is_called_a_page(page):
    with pytest.raises(Faulty, match=re.escape(f"an HTML page, perhaps of a proxy or a login: {page!r}")):
        read(page)


def used(prompt, completion, content="?", limit=None, answer=None, **details):
    """Return the tokens that a completion counts, for a server that reports these."""
    request = Request("r", [{"role": "user", "content": content}], "p", "0", "t", Sampling(max_tokens=500))
    body = (answer or reply()) | {
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion} | details
    }
    read = read_reply(json.dumps(body))
    done = completion_of(read, request, "k", MODEL, counts=reported(read, request, limit))
    return done.prompt_tokens, done.completion_tokens


@pytest.mark.parametrize("count", [2**31 - 1, 10**6, 10_000])
def test_a_count_above_what_was_sent_and_received_is_not_believed(count):
    assert used(count, count) == (1, 1)


def test_a_count_may_reach_the_bytes_that_were_sent_and_received():
    text = "é" * 10_000
    assert used(20_000, 3, content=text) == (20_000, 3)
    assert used(30_000, 3, content=text) == (estimate(text), 3)
    assert used(10, 20_000, answer=reply(text)) == (10, 20_000)
    assert used(10, 30_000, answer=reply(text)) == (10, 1)


def test_tokens_that_the_server_adds_or_does_not_return_are_believed():
    assert used(4_000, 500) == (4_000, 500)  # a system prompt of the server; an answer of special tokens
    assert used(10, 8_000, limit=8_000) == (10, 8_000)
    assert used(10, 9_000, completion_tokens_details={"reasoning_tokens": 8_900}) == (10, 9_000)
    assert used(10, 2**30, completion_tokens_details={"reasoning_tokens": 2**30}) == (10, 1)


COMPLETE = ["stop", "eos_token", "end_turn", "tool_calls", None, "", " stop ", "FinishReason.STOP"]
COMPLETE += ["FINISH_REASON_STOP", "stop-sequence", "end_of_sequence"]


@pytest.mark.parametrize("reason", COMPLETE)
def test_finish_reasons_of_complete_answers(reason):
    assert read(reply(finish=reason)).finish == "stop"


def test_finish_reasons_of_truncated_filtered_and_broken_off_answers():
    for reason in ("max_tokens", "MAX_TOKENS", "max-length", "max_completion_tokens"):
        assert read(reply(finish=reason)).finish == "length"
    assert read(reply(finish=None), sampling=Sampling(max_tokens=1)).finish == "length", (
        "the limit is reached"
    )
    assert "content_filter" in read(reply(finish="content_filter")).error
    for reason in ("error", "timeout", "server_error"):
        with pytest.raises(Faulty, match="broke off"):
            read(reply(finish=reason))


def test_line_breaks_that_a_server_does_not_escape_are_part_of_the_answer():
    text = json.dumps(reply("first\nsecond\tword")).replace("\\n", "\n").replace("\\t", "\t")
    assert read(text).text == "first\nsecond\tword"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "Rate limit exceeded", "code": 429}}, Busy),
        ({"error": "The engine is overloaded, try again"}, Busy),
        ({"object": "error", "message": "Too many requests", "code": 429}, Busy),
        ({"error": 429}, Busy),
        ({"error": "503"}, Busy),
        ({"error": True}, Faulty),
        ({"error": {"message": "insufficient_quota"}}, Refused),
        ({"error": {"message": "invalid api key", "type": "authentication_error"}}, Refused),
        ({"error": {"code": "context_length_exceeded", "message": "too long"}}, Rejected),
        ({"error": {"message": "bad input", "code": 400}}, Rejected),
        ({"error": {"message": "something broke", "code": 500}}, Faulty),
        ({"detail": "internal"}, Faulty),
        ([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}], Busy),
        ({"error": {"error": {"code": 429, "message": "one server behind another"}}}, Busy),
        ({"status": 429, "title": "Too Many Requests"}, Busy),
        ({"statusCode": 503, "message": "down"}, Busy),
        ({"fault": {"faultstring": "Rate limit quota violation"}}, Busy),
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None}, Busy),
        ({"code": 1302, "msg": "too many concurrent requests"}, Busy),
        ({"error": "Model m is currently loading", "estimated_time": 20.0}, Busy),
    ],
)
def test_an_error_with_status_200_is_classified_by_code_or_wording(body, kind):
    with pytest.raises(kind):
        read(body)


def test_an_error_next_to_a_choice_counts():
    body = reply()
    body["choices"][0]["error"] = {"code": 429, "message": "upstream is rate limited"}
    with pytest.raises(Busy):
        read(body)


def test_an_ambiguous_status_is_classified_by_its_body():
    assert isinstance(of_status(429, "you exceeded your current quota, check billing"), Refused)
    assert isinstance(of_status(400, "m", 0, '{"error": {"code": 429}}'), Busy)
    assert isinstance(of_status(400, "too long"), Rejected)


@pytest.mark.parametrize(
    "change", [{"logprob": None}, {"logprob": "x"}, {"logprob": 3.0}, {"logprob": -1e300}]
)
def test_incomplete_log_probabilities_are_dropped_and_the_answer_kept(change):
    body = reply()
    body["choices"][0]["logprobs"]["content"][0] |= change
    assert (read(body).text, read(body).logprobs) == ("fine", ())


def test_missing_top_logprobs_are_an_error_only_for_choices():
    body = reply("A")
    del body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    assert read(body).logprobs == (-0.5,)
    chosen = read(body, choices=("A", "B"))
    assert chosen.finish == "error" and chosen.choices == ()


def spelled(text, tokens):
    body = reply(text)
    entry = body["choices"][0]["logprobs"]["content"][0]
    body["choices"][0]["logprobs"]["content"] = [entry | {"token": token} for token in tokens]
    return read(body)


@pytest.mark.parametrize(
    "tokens", [[], ["one"], ["one", " two"], ["a", "b"], ["one two three", *["x"] * 100], [""] * 5]
)
def test_log_probabilities_of_other_tokens_are_dropped_and_the_answer_kept(tokens):
    done = spelled("one two three", tokens)
    assert (done.text, done.finish, done.logprobs) == ("one two three", "stop", ())


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("one two", ["one", " two", "<|im_end|>"]),
        ("one two", ["▁one", "▁two"]),
        ("hi 😀!", ["hi", " \\xf0\\x9f", "\\x98\\x80", "!"]),
        ("hi 😀!", ["hi", "bytes: \\xf0\\x9f", "bytes:\\x98\\x80", "!"]),
        ("hi 😀!", ["hi", " \ufffd", "\ufffd", "!"]),
        ("灯台", ["灯", "台"]),
        ("", [""]),
    ],
)
def test_tokens_may_be_written_in_several_ways(text, tokens):
    assert len(spelled(text, tokens).logprobs) == len(tokens)


def test_likelihoods_above_one_are_no_choice():
    done = read(reply("A", top=[("A", -0.1), ("A", -0.1), ("B", -0.1)]), choices=("A", "B"))
    assert (done.finish, done.choices) == ("error", ())


def test_a_reply_of_another_protocol_is_not_called_an_error():
    with pytest.raises(Faulty, match="not a chat completion"):
        read({"model": "m", "message": {"content": "fine"}, "done": True})


# Reasoning


def thinking(content, tokens=(), finish="stop", **message):
    body = reply(content, finish)
    body["choices"][0]["message"] |= message
    entries = [{"token": token, "logprob": -float(n), "top_logprobs": []} for n, token in enumerate(tokens)]
    body["choices"][0]["logprobs"] = {"content": entries}
    return body


@pytest.mark.parametrize("open_, close", [("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("", "</think>")])
def test_reasoning_in_the_text_is_excluded_from_answer_and_log_probabilities(open_, close):
    tokens = [open_, "hm", close, "\n", "fi", "ne"]
    done = read(thinking(f"{open_}hm{close}\nfine", tokens))
    assert (done.text, done.reasoning, done.logprobs) == ("fine", "hm", (-4.0, -5.0))


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_separately_returned_reasoning_stays_separate(name):
    done = read(thinking("fine", **{name: "hm"}))
    assert (done.text, done.reasoning, done.finish) == ("fine", "hm", "stop")


@pytest.mark.parametrize(
    "body",
    [
        thinking("<think>Okay, so", finish="length"),
        thinking(None, finish="length", reasoning_content="Okay, so"),
        thinking("", finish="length"),
        thinking("<think>hm</think>"),
    ],
)
def test_a_text_that_ends_within_its_reasoning_is_unanswered(body):
    for fields in ({}, {"choices": ("A", "B")}):
        done = read(body, **fields)
        assert done.finish == "error" and done.choices == ()
        assert "unanswered" in done.error or "cannot choose" in done.error


def test_truncated_reasoning_without_tags_is_recognised_by_the_template():
    body = thinking("Okay, so the user", finish="length")
    assert completion_of(read_reply(json.dumps(body)), asked(), "k", MODEL, opened=True).finish == "error"
    assert read(body).finish == "length"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a<think>b</think>c</think>fine", "fine"),
        ("<think>a<think>b</think></think><think>c</think>fine", "fine"),
        ("<think>I may write <think> here</think>fine", "fine"),
        ("<think>a</think>fine </think> tag", "fine </think> tag"),
    ],
)
def test_nested_reasoning_is_not_part_of_the_answer(text, answer):
    assert split(text).answer.strip() == answer


@pytest.mark.timeout(30)
def test_closing_tags_take_linear_time():
    assert split("</think>" * 1_000_000 + "fine") == ("</think>" * 999_999, "fine", False)


@given(st.text(max_size=60))
def test_a_text_without_tags_is_the_answer(text):
    if not any(tag.casefold() in text.casefold() for tags in PAIRS for tag in tags):
        assert split(text).answer == text


PAIR = '{"question": "Who?", "answer": "She"}'


@pytest.mark.parametrize(
    "body",
    [
        thinking(f"```json\n{PAIR}\n```"),
        thinking(f"Here you are:\n```\n{PAIR}\n```\nAnything else?"),
        thinking(f"<think>a draft: {{}}</think>\n{PAIR}"),
        thinking(f"Sure! {PAIR}"),
        thinking(None, reasoning_content=PAIR),
        thinking(None, "", "tool_calls", tool_calls=[{"function": {"name": "answer", "arguments": PAIR}}]),
        thinking(None, "", "", tool_calls=[{"function": {"name": "answer", "arguments": json.loads(PAIR)}}]),
        thinking(None, "", "function_call", function_call={"name": "answer", "arguments": PAIR}),
        thinking(None, "", "stop", function_call={"name": "answer", "arguments": PAIR}),
    ],
)
def test_misplaced_json_is_found(body):
    request = asked(schema=Pair.model_json_schema())
    done = completion_of(read_reply(json.dumps(body)), request, "k", MODEL)
    assert Answer(request, done).parse(Pair) == Pair(question="Who?", answer="She")


def test_a_choice_is_read_after_the_reasoning():
    body = thinking("<think>hm</think>A", ["<think>", "hm", "</think>", "A"])
    likely = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -3.0}]
    body["choices"][0]["logprobs"]["content"][3]["top_logprobs"] = likely
    assert read(body, choices=("A", "B")).choices == (pytest.approx(-0.1), pytest.approx(-3.0))
    assert math.isfinite(read(body, choices=("A", "B")).logprobs[0])


@pytest.mark.parametrize(
    "content",
    [
        [],
        [{"type": "image_url", "image_url": {"url": "data:"}}],
        [{"type": "text", "text": None}],
        [{"type": "x", "text": "y"}],
    ],
)
def test_parts_without_text_are_not_an_empty_answer(content):
    with pytest.raises(Faulty, match="contains no text"):
        read(put(WHOLE, ("choices", 0, "message"), {"content": content}))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}, "tool_calls"),
        ({"content": "", "tool_calls": [{}]}, ""),
        ({"content": None, "function_call": {"name": "f"}}, "function_call"),
        ({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "stop"),
    ],
)
def test_a_tool_call_in_place_of_an_answer_is_a_rejection(message, reason):
    choice = {"message": message, "finish_reason": reason}
    done = read(WHOLE | {"choices": [choice]})
    assert (done.finish, done.error) == ("error", "the model called a tool instead of answering")


def test_a_refusal_part_is_a_refusal():
    message = {"content": [{"type": "refusal", "refusal": "I cannot"}]}
    done = read(put(WHOLE, ("choices", 0, "message"), message))
    assert (done.finish, done.error) == ("error", "the model refused: I cannot")


def test_a_token_count_of_thousands_of_digits_is_ignored():
    text = json.dumps(WHOLE).replace('"prompt_tokens": 10', '"prompt_tokens": ' + "9" * 5000)
    assert read(text).text == "A"


@pytest.mark.parametrize(
    "text", [f"{PAIR} {PAIR}", f"```\n{PAIR}\n```\n```\n{PAIR}\n```", f"{{}} {PAIR}", f'{{"q": "{PAIR}"}}']
)
def test_several_objects_are_ambiguous(text):
    assert list(json_parts(text)) == []


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", [" ", "\t", "a", "+ ", "`", "``` ", "{", "[", '{"a":', '"'])
def test_text_that_repeats_after_a_fence_takes_linear_time(unit):
    """A model may repeat one token until its limit."""
    assert list(json_parts("```json" + unit * 100_000)) == []
