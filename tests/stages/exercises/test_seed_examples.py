"""Seeds: solved examples from a file, shown before requests of their task."""

import json

import pytest

from datagen.errors import UserError
from datagen.stages.generate.instruct import stage
from datagen.stages.reading.comprehend import stage as comprehend
from tests.support.asked import ask
from tests.support.written import passage

SEEDS = [
    {
        "task": "extractive_question",
        "passage": f"The ferry to {place} leaves the harbour at {hour} in winter. It carries no cars.",
        "answer": {
            "question": f"When does the ferry to {place} leave the harbour in winter?",
            "answer": hour,
        },
    }
    for place, hour in (("Anholt", "six"), ("Bornholm", "seven"), ("Samso", "eight"), ("Laeso", "nine"))
]
ROWS = [
    passage(f"The mint of town {n} strikes copper coins in autumn under the eye of its warden.", n)
    for n in range(6)
]
LONG = {"prompt_tokens": 20_000}


def model(request):
    number = request.messages[-1]["content"].split("town ")[1][0]
    question = f"When does the mint of town {number} strike copper coins?"
    return json.dumps({"question": question, "answer": "in autumn"})


def asked(folder, *seeds, rows=ROWS, on=stage, tasks=("extractive_question",), **options):
    lines = [seed if isinstance(seed, str) else json.dumps(seed) for seed in seeds]
    (folder / "seeds.jsonl").write_text("\n".join(lines), encoding="utf-8")
    given = {"seeds": str(folder / "seeds.jsonl")} | LONG | options
    return ask(on, rows, model, tasks=list(tasks), **given)


@pytest.mark.parametrize("on", [stage, comprehend])
def test_llminer_seeds_are_solved_examples_before_the_requests_of_their_task(tmp_path, on):
    kept, dropped, requests = asked(tmp_path, *SEEDS, on=on)
    assert len(kept) == len(ROWS) and not dropped
    plain = {request.row: request for request in ask(on, ROWS, model, tasks=["extractive_question"])[2]}
    shown = set()
    for request in requests:
        own = plain[request.row].messages
        assert (request.messages[0], request.messages[-1]) == (own[0], own[-1])
        turns = request.messages[1:-1]
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            (seed,) = (seed for seed in SEEDS if seed["passage"] in question["content"])
            assert json.loads(answer["content"]) == seed["answer"]
            assert question["content"].replace(seed["passage"], "") == own[-1]["content"].replace(
                next(row["text"] for row in ROWS if row["id"] == request.row), ""
            )
            shown.add(seed["passage"])
    assert len(shown) > 2  # drawn for each passage
    assert not any("ferry" in json.dumps(row) for row in kept)
    assert requests == asked(tmp_path, *reversed(SEEDS), on=on)[2]


def test_other_tasks_are_asked_without_seeds(tmp_path):
    tasks = ["extractive_question", "closed_book_question"]
    requests = asked(tmp_path, *SEEDS, tasks=tasks)[2]
    assert {(request.task, len(request.messages)) for request in requests} == {
        ("extractive_question", 6), ("closed_book_question", 2)
    }  # fmt: skip


def test_seeds_that_do_not_fit_are_left_out(tmp_path):
    shortest = len(json.dumps(ask(stage, ROWS[:1], model, tasks=["extractive_question"])[2][0].messages))
    counts = [
        {len(request.messages) for request in asked(tmp_path, *SEEDS, prompt_tokens=shortest + room)[2]}
        for room in (500, 1000)
    ]
    assert max(counts[0]) < 6 and counts[1] == {6}


def test_an_opening_passage_is_shown_to_later_ones_without_its_seeds(tmp_path):
    requests = asked(tmp_path, *SEEDS, shots=1)[2]
    later = [request for request in requests if request.row != ROWS[0]["id"]]
    for request in later:
        texts = [message["content"] for message in request.messages]
        assert sum("ferry" in text for text in texts) == 4  # two seeds, question and answer
        assert sum("town 0 " in text for text in texts) == 2
        assert len(texts) == len(set(texts)) == 8


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        ("{", "line 2"),
        ("[]", "line 2"),
        ({"task": "extractive_question", "passage": "x"}, "line 2 of .*answer"),
        (SEEDS[0] | {"pasage": ""}, "pasage"),
        (SEEDS[0] | {"answer": {"question": "When?", "answer": "at noon"}}, "line 2 of .*: answer not in"),
        (SEEDS[0] | {"passage": SEEDS[0]["passage"] + " It is slow." * 2000}, "longer than prompt_tokens"),
    ],
)
def test_an_invalid_seed_is_an_error_that_names_its_line(tmp_path, seed, message):
    with pytest.raises(UserError, match=message):
        asked(tmp_path, SEEDS[0], seed)


def test_a_missing_file_and_one_without_seeds_of_the_tasks_are_errors(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        ask(stage, ROWS, model, tasks=["definition"], seeds=str(tmp_path / "none.jsonl"))
    with pytest.raises(UserError, match="no seed of its tasks: definition"):
        asked(tmp_path, *SEEDS, tasks=["definition"])
