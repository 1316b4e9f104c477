"""Exercises written by hand: the sound ones are bound after their passage, every failed one is a row of its own."""

import json

import pyarrow as pa
from asked import WHO, answers_to, ask
from rows import context

from datagen.records import content_id
from datagen.stages.comprehend import Options, stage
from datagen.stages.instruct import stage as instruct
from datagen.stages.text.exercises import Exercise, bind

TEXT = """\
A block is a piece of program text that is executed as a unit. A name
is bound in a block when an assignment names it.

Names in the target list are not deleted when the loop is finished.
"""
EXTRACT = {
    "question": "What are not deleted when the loop is finished?",
    "answer": "Names in the target list",
}
DEFINE = {
    "evidence": "A block is a piece of program text that is executed as a unit.",
    "term": "block",
    "definition": "A piece of program text that is executed as a unit.",
}
SOUND = {
    "extractive_question": EXTRACT,
    "definition": DEFINE,
    "terms": {"terms": ["block", "target list", "unit"]},
}
TASKS = list(SOUND)


def passage(text=TEXT):
    row = {
        "document_id": "d",
        "source": "s",
        "title": "Naming",
        "section": "",
        "text": text,
        "start": 0,
        "index": 0,
    }
    return row | {"id": content_id(text), "end": len(text)}


def writer(answers):
    return lambda request: json.dumps(answers[request.task])


def comprehend(answers, rows=None, **options):
    return ask(stage, rows or [passage()], writer(answers), **{"tasks": TASKS, "per_passage": 0} | options)


def test_the_account_holds_what_went_in_and_what_came_out():
    rows = pa.Table.from_pylist([passage(), passage("Nothing.")])
    options, where = Options(tasks=TASKS, per_passage=0), context("comprehend")
    requests = list(stage.ask(rows, options, where))
    answers = answers_to(requests, lambda r: writer(SOUND)(r) if r.row == passage()["id"] else "", WHO)
    outcome = stage.read(rows, answers, options, where)
    (text,) = outcome.kept["text"].to_pylist()
    assert (
        outcome.figures.items()
        >= {
            "passage_characters": len(TEXT) + len("Nothing."),
            "bound_characters": len(TEXT),
            "text_characters": len(text),
        }.items()
    )


def test_structtuning_texts_open_with_their_place():
    (row,), *_ = comprehend(SOUND, [passage() | {"section": "Names > Binding"}], structure=True)
    assert "─ Binding ◀" in row["text"].partition(TEXT)[0]


def test_sound_exercises_are_bound_after_their_passage():
    kept, dropped, requests = comprehend(SOUND)
    assert not dropped
    (row,) = kept
    assert (row["kind"], row["task"], row["question"], row["prompt"]) == (
        "reading",
        "comprehension",
        None,
        None,
    )
    assert row["text"].count(TEXT) == 1  # verbatim
    after = row["text"].partition(TEXT)[2]
    assert EXTRACT["question"] in after
    assert DEFINE["definition"] in after
    assert "block; target list; unit" in after
    assert len(row["lineage"]["requests"]) == len(requests) == 3
    exercises = [
        Exercise("extractive_question", EXTRACT["question"], EXTRACT["answer"]),
    ]
    style = context().prompt("reading/layouts").fields
    alone = comprehend(SOUND, tasks=["extractive_question"])[0][0]
    assert alone["text"] == bind(passage(), exercises, style, 0)


def test_failed_exercises_are_rows_of_their_own_and_the_others_go_on():
    kept, dropped, _ = comprehend(SOUND | {"definition": DEFINE | {"term": "unit"}})
    assert [(row["task"], row["reason"]) for row in dropped] == [
        ("definition", "evidence does not define the term")
    ]
    assert json.loads(dropped[0]["answer"])["term"] == "unit"
    assert DEFINE["definition"] not in kept[0]["text"].partition(TEXT)[2]
    assert not set(dropped[0]["lineage"]["requests"]) & set(kept[0]["lineage"]["requests"])


def test_a_passage_without_a_sound_exercise_says_why():
    bad = {task: {"question": "What?", "answer": ""} for task in TASKS}
    kept, dropped, _ = comprehend(bad)
    assert kept == []
    passages = [row for row in dropped if row["task"] == "comprehension"]
    assert [(row["reason"], row["detail"]) for row in passages] == [
        ("no sound exercise", "2 unparsable, 1 empty")
    ]
    assert len(dropped) == 4
    assert all(row["kind"] == "reading" for row in dropped)


def test_each_passage_leaves_one_text_or_one_reason():
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(40)] + [passage("x ::= y")]
    kept, dropped, _ = comprehend(SOUND | {"terms": {"terms": ["block"]}}, rows, tasks=TASKS[:2], share=0.6)
    without = [row for row in dropped if row["task"] == "comprehension"]
    assert len(kept) + len(without) == len(rows)
    assert {row["reason"] for row in without} <= {
        "outside the sample",
        "no sound exercise",
        "nothing to quote",
    }
    assert 10 < len(kept) < 35


def test_the_same_question_is_asked_once_in_a_text():
    kept, dropped, _ = comprehend(SOUND, tasks=["extractive_question"], samples=2, temperature=0.5)
    assert kept[0]["text"].count(EXTRACT["question"]) == 1
    assert [row["reason"] for row in dropped] == ["repeated"]


def test_so_many_exercises_are_drawn_for_each_passage():
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(30)]
    requests = comprehend(SOUND, rows, per_passage=2)[2]
    asked = {}
    for request in requests:
        asked.setdefault(request.row, []).append(request.task)
    assert all(len(set(tasks)) == 2 for tasks in asked.values())
    assert len({tuple(tasks) for tasks in asked.values()}) == 6  # every order of every pair


def test_another_exercise_is_drawn_where_one_has_nothing_to_quote():
    text = TEXT.partition("Names in")[2].join(["Names in", ""])
    requests = comprehend(SOUND, [passage(text)], per_passage=2)[2]
    assert sorted(request.task for request in requests) == ["extractive_question", "terms"]


def test_a_request_that_instruct_makes_too_has_the_same_key():
    ours = comprehend(SOUND, tasks=["definition"])[2]
    theirs = ask(instruct, [passage()], writer(SOUND), tasks=["definition"])[2]
    assert ours == theirs


def test_the_same_seed_gives_the_same_texts():
    first, again = comprehend(SOUND)[0], comprehend(SOUND)[0]
    assert first == again
    assert Options().per_passage == 3
