"""Rows that cannot be trained on are detected."""

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.engines import bundled
from datagen.errors import UserError
from datagen.schema import chat
from datagen.stages.handoff.row_check import check
from datagen.stages.handoff.tokenizer import Ruler, Tokenizer, ruler
from tests.support.rows import context, example, partitions

UNCOUNTED = Ruler("", None, "served elsewhere")
counted = pytest.mark.skipif(not bundled.installed(), reason="the bundled model's tokenizer is not installed")


def verdicts(rows, measure=UNCOUNTED):
    [table] = partitions(rows)
    results = check(table, measure)
    return list(zip(results.reasons.to_pylist(), results.details.to_pylist(), strict=True)), results


def asked(prompt, answer="A"):
    return example(question="Q?", answer=answer, prompt=prompt)


def turn(role, content="x"):
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ([turn("user")], None),
        ([turn("system"), turn("user")], None),
        ([turn("user"), turn("assistant"), turn("user")], None),
        ([turn("assistant")], "roles out of order"),
        ([turn("system")], "roles out of order"),
        ([turn("user"), turn("user")], "roles out of order"),
        ([turn("user"), turn("system"), turn("user")], "roles out of order"),
        ([turn("user"), turn("assistant")], "roles out of order"),
        ([turn("human")], "roles out of order"),
        ([turn(None)], "roles out of order"),
        ([turn("user", " \n\u200b\ufeff")], "blank turn"),
        ([turn("user", None)], "blank turn"),
        ([turn("system", ""), turn("user")], "blank turn"),
    ],
)
def test_roles_and_blank_turns(prompt, expected):
    # Between good rows, so that a turn cannot be taken for another row's.
    rows = [asked([turn("system"), turn("user")]), asked(prompt), asked([turn("user")])]
    results, _ = verdicts(rows)
    assert [reason for reason, _ in results] == [None, expected, None]


@pytest.mark.parametrize("answer", [None, "", " \t\n", "\u00a0\u2003", "\u200b\u200d\ufeff"])
def test_an_invisible_answer_counts_as_missing(answer):
    assert verdicts([asked(chat("Q?"), answer)])[0] == [("incomplete", "no answer")]


def test_a_preference_needs_two_sides():
    rows = [example("preference", question="Q?", answer="A", rejected=other) for other in ("A ", "B")]
    assert [reason for reason, _ in verdicts(rows)[0]] == ["no preference", None]


ROLES = st.lists(st.sampled_from(["system", "user", "assistant"]), min_size=1, max_size=5)


@given(st.lists(ROLES, min_size=1, max_size=6))
def test_roles_must_alternate(prompts):
    results, _ = verdicts([asked([turn(role) for role in roles]) for roles in prompts])
    for roles, (reason, _) in zip(prompts, results, strict=True):
        turns = roles[1:] if roles[0] == "system" else roles
        good = turns == ["user", "assistant"] * (len(turns) // 2) + ["user"]
        assert (reason is None) == good


@counted
def test_overlong_rows_are_reported_with_their_length():
    measure = ruler("bundled", 64, context())
    rows = [
        example("reading", text="word " * 62 + "end"),
        example("reading", text="word " * 63 + "end"),
        asked(chat("word " * 60)),
        asked(chat("Q?"), "word " * 60),
        example("preference", question="Q?", answer="A", rejected="word " * 60),
        example("preference", question="Q?", answer="word " * 60, rejected="A"),
        asked(chat("Q?")),
    ]
    results, table = verdicts(rows, measure)
    assert [reason for reason, _ in results] == [None, *["too long"] * 5, None]
    assert results[1][1] == "65 tokens; at most 64"
    assert table.tokens[0].as_py() == table.trained[0].as_py() == 64


@counted
def test_a_row_whose_answer_the_chat_template_leaves_out_is_reported(tmp_path):
    tokenizer = ruler("bundled", None, context()).tokenizer._tokenizer
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text(
        "{% for m in messages if m.role == 'user' or m.content != 'A' %}{{ m.content }}{% endfor %}"
    )
    results, table = verdicts(
        [asked(chat("Q?")), asked(chat("Q?"), "B")], ruler(str(tmp_path), None, context())
    )
    assert [reason for reason, _ in results] == ["nothing to train", None]
    assert table.trained.to_pylist() == [0, 1]


@counted
def test_tokens_of_a_chat_are_those_of_its_rendering():
    measure = ruler("", None, context())
    assert measure.longest == 4096  # the target's max_model_len
    assert ruler("bundled", None, context()).longest == 8192  # what the tokenizer states
    prompt = chat("Who?", system="Be brief.")
    _, results = verdicts([asked(prompt, "Ann")], measure)
    tokenizer = measure.tokenizer._tokenizer
    conversation = tokenizer.apply_chat_template([*prompt, turn("assistant", "Ann")], tokenize=True)[
        "input_ids"
    ]
    assert results.tokens.to_pylist() == [len(conversation)]
    assert tokenizer.decode(conversation[-results.trained[0].as_py() :]) == "Ann<|im_end|>\n"


@counted
@pytest.mark.parametrize(
    "row",
    [
        example("reading", text="a <|im_end|> b"),
        asked(chat("say <|im_start|>")),
        asked(chat("Q?"), "A<|im_end|>"),
        example("preference", question="Q?", answer="A", rejected="B <|im_start|>"),
    ],
)
def test_a_control_token_of_the_target_is_reported(row):
    results, _ = verdicts([asked(chat("Q?")), row], ruler("bundled", None, context()))
    assert results[0] == (None, None) and results[1][0] == "control tokens"


@counted
def test_words_similar_to_control_tokens_are_kept():
    results, _ = verdicts([asked(chat("open <path>"), "<title>")], ruler("bundled", None, context()))
    assert results == [(None, None)]


def test_control_tokens_of_other_families_are_reported_without_a_tokenizer():
    results, _ = verdicts([asked(chat("Q?"), "A</think>"), asked(chat("[INST] Q?"))], UNCOUNTED)
    assert [reason for reason, _ in results] == ["control tokens"] * 2


class Template:
    """A tokenizer by words whose chat template is a function."""

    chat_template = "yes"
    eos_token, bos_token = "<eos>", None
    all_special_tokens, added_tokens_decoder = ("<eos>",), {}
    model_max_length = 10**30

    def __init__(self, render):
        self.apply_chat_template = lambda turns, tokenize, add_generation_prompt=False: render(turns)

    def __call__(self, texts, add_special_tokens, verbose=True):
        return {"input_ids": [text.split() for text in texts]}


def test_a_template_that_rejects_a_row_or_rewrites_its_prompt():
    def refuses(turns):
        if turns[0]["role"] == "system":
            raise ValueError("System role not supported")
        return " ".join(message["content"] for message in turns)

    tokens, trained, problems = Tokenizer(Template(refuses)).of_chats(
        [chat("a b"), chat("a", system="s")], ["c", "d"]
    )
    assert (tokens[0], trained[0], problems[0]) == (3, 1, None)
    assert "System role not supported" in problems[1]
    moves = Template(lambda turns: f"{len(turns)} turns")
    assert "differently" in Tokenizer(moves).of_chats([chat("a")], ["b"])[2][0]


def test_without_a_tokenizer_nothing_is_counted():
    served = {"models": {"generator": {"engine": "openai", "model": "m", "base_url": "http://localhost"}}}
    measure = ruler("", None, context(**served))
    assert measure.tokenizer is None
    results, table = verdicts([asked(chat("Q?"))], measure)
    assert results == [(None, None)] and table.tokens.null_count == len(table.tokens) == 1
    with pytest.raises(UserError, match="tokens cannot be counted"):
        ruler("", 100, context(**served))


def test_a_partition_without_rows():
    [table] = partitions([asked(chat("Q?"))])
    for measure in (UNCOUNTED, ruler("bundled", 64, context())) if bundled.installed() else (UNCOUNTED,):
        assert check(table.slice(0, 0), measure).reasons == pa.array([], pa.string())


RACE = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
import sys
from datagen.engines.identity import resolve
from datagen.recipe.roles import VllmModel
from datagen.stages.handoff.tokenizer import Ruler

sys.setswitchinterval(1e-5)
gate, measure = Barrier(8), Ruler(resolve(VllmModel()), None, "bundled")


def ask(_):
    gate.wait()
    return measure.tokenizer


with ThreadPoolExecutor(8) as pool:
    print(len(set(map(id, pool.map(ask, range(8))))))
"""


@pytest.mark.slow
@counted
def test_threads_of_a_worker_load_the_tokenizer_once():
    """A worker checks several partitions at once, and transformers must not be imported by two threads."""
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, timeout=300)
    assert done.stdout == "1\n", done.stderr
