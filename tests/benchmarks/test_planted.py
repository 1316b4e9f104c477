"""The planted errors of the benchmark confidence: their number, their types, and nothing else changed."""

import json
from collections import Counter
from pathlib import Path

import pytest

from datagen.recipe.import_string import load_file

planted = load_file(Path(__file__).parents[2] / "benchmarks" / "planted.py")

NAMES = ("Anna Weber", "Boris Petrov", "Carla Rossi", "Dimitri Volkov", "Elif Yildiz")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Write a set in SQuAD's format, 20 articles of one paragraph with five questions each, and read it."""
    articles = []
    for number in range(20):
        who, year, count = NAMES[number % 5], 1800 + 7 * number, f"{number + 3},400"
        place = f"in the old town hall of district {number}"
        text = f"{who} founded the guild of weavers in {year}. It met {place}. It had {count} members and was poor."
        answers = [who, f"in {year}", place, f"{count} members", "the guild of weavers"]
        asked = [
            {
                "id": f"{number}-{n}",
                "question": f"Question {n}?",
                "answers": [{"text": answer, "answer_start": 0}],
            }
            for n, answer in enumerate(answers)
        ]
        articles.append({"title": f"Guild {number}", "paragraphs": [{"context": text, "qas": asked}]})
    path = tmp_path_factory.mktemp("set") / "set.json"
    path.write_text(json.dumps({"data": articles}))
    return list(planted.read(path))


def test_a_fifth_is_corrupted_with_equally_many_errors_of_each_type(pairs):
    rows = planted.plant(pairs, 100)
    assert Counter(row.how for row in rows) == {"": 80} | dict.fromkeys(planted.WAYS, 4)
    true = {pair.id: pair for pair in pairs}
    for row in rows:
        whole = true[row.id]
        assert (row.question, row.passage, row.title) == (whole.question, whole.passage, whole.title)
        assert (row.answer == whole.answer) == (row.how == "")
        assert row.row()["id"] == row.id and row.row()["answer"] == row.answer


def test_each_error_type_changes_answers_as_named(pairs):
    true = {pair.id: pair.answer for pair in pairs}
    wrong = {}
    for row in planted.plant(pairs, 100):
        wrong.setdefault(row.how, []).append((row, true[row.id]))
    for row, was in wrong["wrong number"]:
        digits = planted.NUMBER.sub("#", row.answer)
        assert digits == planted.NUMBER.sub("#", was)  # nothing but the number
    assert all(was.startswith(row.answer) and len(row.answer) < len(was) for row, was in wrong["truncated"])
    for row, was in wrong["swapped"]:
        assert row.answer in row.passage and row.answer not in was
    assert all("not" in row.answer.split() for row, _ in wrong["negated"])
    for row, _ in wrong["fluent nonsense"]:
        others = [pair.passage for pair in pairs if pair.title != row.title]
        assert any(row.answer in passage for passage in others)
        assert len(row.answer.split()) >= 3


def test_the_draw_is_the_same_again_and_another_with_another_seed(pairs):
    assert planted.plant(pairs, 60) == planted.plant(pairs[::-1], 60)
    assert planted.plant(pairs, 60) != planted.plant(pairs, 60, seed="1")
    how = [row.how for row in planted.plant(pairs, 100)]
    assert how[:20].count("") < 20 and how[-20:].count("") < 20  # the order is random
