"""Requests about later passages of a section are preceded by its opening passages, each with a sound exercise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.stages.exercises import few_shot
from datagen.stages.generate.instruct import stage
from datagen.stages.reading.comprehend import stage as comprehend
from tests.support.asked import ask
from tests.support.written import passage

NUMBERS = ["one", "two", "three", "four", "five"]
TASKS = ["extractive_question", "closed_book_question"]


def text_of(number):
    return f"The mint of town {number} strikes copper coins in autumn under the eye of its old warden."


def rows_of(count=4, **fields):
    return [passage(text_of(NUMBERS[index]), index, **fields) for index in range(count)]


def model(request):
    """Write a sound exercise about the last passage of the prompt."""
    last = request.messages[-1]["content"]
    (number,) = [number for number in NUMBERS if f"town {number} " in last]
    if request.task == "closed_book_question":
        question, answer = "In which season", f"The mint of town {number} strikes them in autumn."
    else:
        question, answer = "When", "in autumn"
    question += f" does the mint of town {number} strike copper coins?"
    return json.dumps({"question": question, "answer": answer})


def asked(rows=None, write=model, tasks=TASKS, on=stage, **options):
    return ask(on, rows or rows_of(), write, tasks=tasks, **{"shots": 2, "prompt_tokens": 20_000} | options)


def roles(request):
    return [message["role"] for message in request.messages]


def towns(request):
    return [
        number
        for message in request.messages
        if message["role"] == "user"
        for number in NUMBERS
        if f"town {number} " in message["content"]
    ]


def test_later_passages_are_preceded_by_the_opening_ones_each_with_a_sound_exercise():
    rows = rows_of()
    kept, dropped, requests = asked(rows)
    assert not dropped
    assert len(kept) == len(requests) == 8  # each task of each passage once, as without shots
    for request in requests:
        place = [row["id"] for row in rows].index(request.row)
        if place < 2:
            assert roles(request) == ["system", "user"]
        else:
            assert roles(request) == ["system", "user", "assistant", "user", "assistant", "user"]
            assert towns(request) == ["one", "two", NUMBERS[place]]
            assert all(request.task == shot for shot in tasks_shown(request, requests))


def tasks_shown(request, requests):
    """List the tasks of the examples in a request."""
    examples = [message["content"] for message in request.messages[:-1] if message["role"] == "user"]
    return [other.task for text in examples for other in requests if other.messages[1:] == [turn(text)]]


def turn(text):
    return {"role": "user", "content": text}


def test_the_requests_about_a_section_share_its_opening_passages_as_prefix():
    requests = [request for request in asked(tasks=TASKS[:1])[2] if len(request.messages) > 2]
    assert len(requests) == 2
    assert requests[0].messages[:-1] == requests[1].messages[:-1]


def test_an_exercise_that_fails_its_checks_is_not_shown():
    def write(request):
        bad = json.dumps({"question": "What is it?", "answer": "gold"})
        return bad if "town two " in request.messages[-1]["content"] else model(request)

    _, dropped, requests = asked(write=write)
    assert {row["reason"] for row in dropped} >= {"answer not in passage"}
    assert {tuple(towns(request)) for request in requests} == {
        ("one",), ("two",), ("one", "three"), ("one", "four")
    }  # fmt: skip


def test_another_task_is_shown_if_the_same_task_has_no_sound_exercise():
    def write(request):
        return "{}" if (request.task, len(request.messages)) == (TASKS[0], 2) else model(request)

    requests = asked(write=write)[2]
    shown = {shot for request in requests for shot in tasks_shown(request, requests)}
    assert shown == {TASKS[1]}


def test_a_shown_exercise_cannot_end_its_turn():
    rows = rows_of()
    rows[0] = passage(f"{text_of('one')}\n\nend ::= <|im_end|>", 0)

    def write(request):
        return model(request).replace("copper", "<|im_end|> copper")

    requests = asked(rows, write, TASKS[:1], shots=1)[2]
    messages = [message for request in requests for message in request.messages]
    assert sum(message["role"] == "assistant" for message in messages) == 3
    assert not any("<|im_end|>" in message["content"] for message in messages)


def test_other_sections_and_documents_are_not_shown():
    rows = [*rows_of(2, section=["Mints"]), passage(text_of("three"), 2, section=["Coins"])]
    rows += [passage(text_of("four"), 3, document_id="e", section=["Mints"])]
    assert {tuple(towns(request)) for request in asked(rows, shots=1)[2]} == {
        ("one",), ("one", "two"), ("three",), ("four",)
    }  # fmt: skip


def test_a_passage_outside_the_sample_is_not_an_opening_passage():
    rows = [passage(text_of("one") + f"\n\nNumber {number}.", number) for number in range(40)]
    requests = asked(rows, tasks=TASKS[:1], share=0.5, shots=1)[2]
    first = {request.row for request in requests if len(request.messages) == 2}
    sampled = [row["id"] for row in rows if row["id"] in {request.row for request in requests}]
    assert first == {sampled[0]}
    assert 10 < len(sampled) < 30


def test_distant_passages_are_omitted_if_the_prompt_would_be_too_long():
    def shown(most):
        return {tuple(towns(request))[:-1] for request in asked(tasks=TASKS[:1], prompt_tokens=most)[2]}

    three = asked(tasks=TASKS[:1])[2][-1].messages  # a system message, and a passage with its answer twice
    room = sum(len(message["content"]) + few_shot.TURN for message in three)
    assert shown(room + 10) == {(), ("one", "two")}
    assert shown(room - 100) == {(), ("two",)}  # the nearest
    assert shown(room // 2) == {()}


@given(
    st.lists(st.tuples(st.sampled_from("de"), st.sampled_from(["", "a", "b"])), max_size=12),
    st.integers(0, 3),
)
def test_every_section_starts_with_its_first_passages_for_any_order_of_rows(places, most):
    rows = [
        {"id": str(index), "document_id": document, "section": [section], "index": index}
        for index, (document, section) in enumerate(places)
    ]
    later = few_shot.later(rows, most)
    assert later == few_shot.later(rows[::-1], most)
    for row, place in zip(rows, places, strict=True):
        same = [other["id"] for other, another in zip(rows, places, strict=True) if another == place]
        opens = row["id"] in same[:most] or most == 0
        assert later.get(row["id"]) == (None if opens else same[:most])


@given(st.integers(128, 4000), st.sampled_from(["a", "é", "永", "🜂"]))
def test_without_a_tokenizer_bytes_count_as_tokens(most, sign):
    fits = few_shot.length_limit("", most, None)
    size = len(sign.encode())
    assert fits([turn(sign * ((most - few_shot.TURN) // size))])
    assert not fits([turn(sign * ((most - few_shot.TURN) // size + 1))])


def test_tokens_are_counted_if_a_tokenizer_is_given(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "tokenizer.json"))
    fits = few_shot.length_limit("tokenizer.json", 128, tmp_path)
    assert fits([turn("extraordinarily " * 112)])
    assert not fits([turn("extraordinarily " * 113)])
    with pytest.raises(UserError, match=r"there is no .*none\.json"):
        few_shot.length_limit("none.json", 128, tmp_path)


def test_marked_questions_get_no_examples_and_are_confirmed_once():
    def write(request):
        town = towns(request)[-1]
        if request.task == "round_trip":
            return "When autumn comes."
        return f"When is the mint of town {town} opened?"

    rows = [passage(f"When autumn comes, the mint of town {town} is opened.", index)
            for index, town in enumerate(NUMBERS[:4])]  # fmt: skip
    plain = asked(rows, write, ["marked_question"], shots=0)[2]
    assert {request.task for request in plain} == {"marked_question", "round_trip"}
    assert all(len(request.messages) <= 2 for request in plain)
    assert asked(rows, write, ["marked_question"])[2] == plain
    assert asked(rows, write, ["marked_question"], shots=1, rounds=3)[2] == plain


def test_reading_texts_include_exercises_written_with_examples():
    kept, dropped, _ = asked(on=comprehend, per_passage=0)
    assert (len(kept), dropped) == (4, [])
    assert all(row["text"].count("in autumn") >= 2 for row in kept)


def test_each_round_shows_the_passages_of_all_rounds_before():
    for tasks in (TASKS[:1], TASKS):
        requests = asked(rows_of(5), tasks=tasks, shots=1, rounds=4)[2]
        assert {tuple(towns(request)) for request in requests} == {
            ("one",), ("one", "two"), ("one", "two", "three"),
            ("one", "two", "three", "four"), ("one", "two", "three", "five"),
        }  # fmt: skip
        assert len(requests) == 5 * len(tasks)  # each task of each passage once


def test_a_round_shows_only_exercises_that_passed_their_checks():
    def write(request):
        return "{}" if "town two " in request.messages[-1]["content"] else model(request)

    requests = asked(write=write, tasks=TASKS[:1], shots=1, rounds=3)[2]
    assert {tuple(towns(request)) for request in requests} == {
        ("one",), ("one", "two"), ("one", "three"), ("one", "four")
    }  # fmt: skip


def test_all_exercises_of_an_earlier_passage_are_shown_and_its_text_once():
    requests = asked(shots=1, rounds=3, shot_exercises=0)[2]
    by_passage = {}
    for request in requests:
        by_passage.setdefault(towns(request)[-1], []).append(request)
    answers = {town: [model(request) for request in about] for town, about in by_passage.items()}
    for town, earlier in {"one": [], "two": ["one"], "three": ["one", "two"]}.items():
        for request in by_passage[town]:
            shown = [turn["content"] for turn in request.messages if turn["role"] == "assistant"]
            assert shown == [answer for before in earlier for answer in answers[before]]
            for before in earlier:
                assert sum(text_of(before) in turn["content"] for turn in request.messages) == 1
    asked_alone = [request.messages[-1]["content"].rpartition("\n\n")[2] for request in by_passage["one"]]
    turns = [turn["content"] for turn in by_passage["two"][0].messages if turn["role"] == "user"]
    assert [turn.rpartition("\n\n")[2] for turn in turns[:2]] == asked_alone


def test_more_rounds_need_passages_to_show():
    with pytest.raises(ValueError, match="more than 2 rounds need shots"):
        stage.options(rounds=3)
