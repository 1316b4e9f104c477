"""Near misses, found and checked by search over all passages."""

import re

import pytest

from datagen.schema import EXAMPLES, PASSAGES, PROBES, table_of
from datagen.stages.knowledge.refuse import stage as refuse
from datagen.stages.knowledge.unanswerable import stage
from datagen.stages.knowledge.unanswerable.change import changed
from datagen.stages.knowledge.unanswerable.change import names as find_names
from datagen.stages.shared.language.matching import contained_share
from datagen.stages.shared.language.rules import language_of
from datagen.store.parquet import part_name, write_table
from tests.support.asked import ask
from tests.support.probes import SILENCE, passage, probe
from tests.support.rows import put_through

COLUMNS = {field.name: field.type for field in PROBES if field.name not in EXAMPLES.names}

ENGLISH = language_of("en")


def shelve(folder, texts, size=3):
    """Write passages, given as (document, number, text), in partitions."""
    rows = [
        {
            "id": f"{document}-{number}",
            "document_id": document,
            "title": document,
            "text": text,
            "start": 200 * number,
            "end": 200 * number + 150,
        }
        for document, number, text in texts
    ]
    for part, start in enumerate(range(0, len(rows), size)):
        target = folder / "stages" / "decontaminate_passages" / part_name(part)
        write_table(table_of(PASSAGES, rows[start : start + size]), target)


def find(folder, rows, size=None, **options):
    """Run the stage on probes; return the near miss of each, by question."""
    given = {"share": 1, "changed": 0} | options
    kept, dropped = put_through(stage, rows, size, folder=folder, columns=COLUMNS, **given)
    assert not dropped
    return {row["question"]: row["near"] for row in kept}


def rivers(folder, count=10):
    shelve(folder, [("rivers", number, passage(number)) for number in range(count)])


def test_an_existing_near_miss_is_kept(tmp_path):
    rivers(tmp_path)
    known = {"question": "Who?", "context": "A passage.", "title": "t", "change": "passage"}
    rows = [probe(0) | {"near": known, "answer": None}, probe(1)]
    near = find(tmp_path, rows)
    assert near[rows[0]["question"]] == known | {"reason": None, "detail": None}
    assert near[rows[1]["question"]]["context"] == passage(0) or near[rows[1]["question"]][
        "context"
    ] == passage(2)


@pytest.mark.parametrize("size", [1, 4, None])
def test_the_nearest_passage_of_the_document_is_taken(tmp_path, size):
    rivers(tmp_path)
    near = find(tmp_path, [probe(number) for number in range(10)], size)
    for number, found in enumerate(near[question] for question in sorted(near)):
        assert found["reason"] is None and found["change"] == "passage"
        assert found["context"] in [passage(n) for n in (number - 1, number + 1) if 0 <= n < 10]


def test_a_passage_with_the_words_of_the_answer_is_skipped(tmp_path):
    texts = [("rivers", 0, passage(0)), ("rivers", 1, "Some river is 100 miles long, another is 50 miles.")]
    shelve(tmp_path, [*texts, ("rivers", 2, passage(2))])
    assert find(tmp_path, [probe(0)])[probe(0)["question"]]["context"] == passage(2)


def test_a_passage_with_an_alias_of_the_answer_is_skipped(tmp_path):
    (tmp_path / "names.yaml").write_text("100 miles: [161 kilometres]\n")
    metric = "Some rivers are long, one is 161 kilometres."
    shelve(tmp_path, [("rivers", 0, passage(0)), ("rivers", 1, metric)])
    asked = probe(0)["question"]
    assert find(tmp_path, [probe(0)])[asked]["context"] == metric
    near_miss = find(tmp_path, [probe(0)], recipe={"file": tmp_path / "recipe.yaml"}, aliases="names.yaml")[
        asked
    ]
    assert near_miss["reason"] == "context may answer it"


def test_a_passage_that_scores_as_high_as_the_questions_own_one_is_skipped(tmp_path):
    retold = "As to how long the river Amstel is: miles and miles, a hundred in all."
    shelve(tmp_path, [("rivers", 0, passage(0)), ("atlas", 0, retold), ("rivers", 3, passage(3))])
    assert find(tmp_path, [probe(0)])[probe(0)["question"]]["context"] == passage(3)
    shelve(tmp_path / "two", [("rivers", 0, passage(0)), ("atlas", 0, retold)])
    assert find(tmp_path / "two", [probe(0)])[probe(0)["question"]]["reason"] == "context may answer it"


def test_passages_beyond_the_partition_and_the_document_are_found(tmp_path):
    """Search covers all passages, including those without questions."""
    other = [("hills", n, f"Hill {n} is low.") for n in range(9)]
    alike = (
        "canals",
        0,
        "How long a canal is depends on the river that it is led by; few are many miles long.",
    )
    shelve(tmp_path, [("rivers", 0, passage(0)), *other, alike])
    assert find(tmp_path, [probe(0)])[probe(0)["question"]]["context"] == alike[2]


def test_a_passage_that_overlaps_the_questions_own_one_does_not_count(tmp_path):
    rivers(tmp_path, 2)
    row = probe(0)
    row["lineage"] |= {"end": 220}
    assert find(tmp_path, [row])[row["question"]]["reason"] == "no other passage"


def test_without_other_passages_there_is_no_near_miss(tmp_path):
    rivers(tmp_path, 1)
    near = find(tmp_path, [probe(0)])[probe(0)["question"]]
    assert (near["context"], near["reason"]) == (None, "no other passage")


def test_shares_are_drawn_from_the_question(tmp_path):
    rivers(tmp_path)
    rows = [probe(number) for number in range(10)]
    drawn = {question for question, near in find(tmp_path, rows, share=0.5).items() if near}
    assert 0 < len(drawn) < 10
    assert drawn == {question for question, near in find(tmp_path, rows[::-1], 2, share=0.5).items() if near}
    assert not any(find(tmp_path, rows, share=0).values())


@pytest.mark.parametrize(
    "names, taken",
    [
        (["`total`", "`__len__()`"], "`__len__()`"),  # a method of the same kind
        (['"__len__()"'], None),  # quoted otherwise
        (["`len()`", "`Error`"], None),
    ],
)
def test_a_quoted_term_is_replaced_by_one_of_the_same_kind(names, taken):
    made = changed("What does `__iter__()` give?", "`__iter__()` gives an iterator.", names, ENGLISH)
    assert (made and made[0]) == (taken and f"What does {taken} give?")


def test_quotes_are_paired_in_order():
    assert find_names('What is "_" in a "case" block of a "match" statement?', ENGLISH) == [
        '"_"',
        '"case"',
        '"match"',
    ]


@pytest.mark.parametrize(
    "question, text, names, expected",
    [
        (
            "When was the Amstel dammed?",
            "The Amstel was dammed.",
            ["Ebro"],
            ("When was the Ebro dammed?", "name"),
        ),
        (
            "What does `read()` give?",
            "`read()` gives a line.",
            ["Ebro", "`write()`"],
            ("What does `write()` give?", "name"),
        ),
        ("When was the Amstel dammed?", "The Amstel and the Ebro were dammed.", ["Ebro"], None),
        ("When was it dammed?", "The Amstel was dammed.", ["Ebro"], None),
        (
            "When was the Amstel dammed?",
            "The river was dammed.",
            ["Ebro"],
            None,
        ),  # not what the passage is about
    ],
)
def test_a_name_is_replaced_by_one_that_the_passage_lacks(question, text, names, expected):
    assert changed(question, text, names, ENGLISH) == expected


@pytest.mark.parametrize(
    "text", ["In 1912 it was sold.", "Between 1900 and 1912 it was built, and sold in 1930."]
)
def test_a_number_is_replaced_by_one_outside_the_range_of_the_passage(text):
    question, change = changed("What happened in 1912?", text, [], ENGLISH)
    year = int(re.search(r"\d+", question)[0])
    stated = [int(number) for number in re.findall(r"\d+", text)]
    assert change == "number" and not min(stated) <= year <= max(stated)


def test_a_changed_question_keeps_its_own_passage(tmp_path):
    rivers(tmp_path)
    near = find(tmp_path, [probe(number) for number in range(10)], changed=1)
    for question, near_miss in near.items():
        assert near_miss["change"] == "name" and near_miss["question"] != question
        own = next(passage(n) for n in range(10) if probe(n)["question"] == question)
        assert near_miss["context"] == own
        new = re.search(r"river (\w+)", near_miss["question"])[1]
        assert new not in own


# The planted set: 200 questions, each with a near passage chosen for it. Every second one holds the answer.
HOLDING = (
    "In a test, {answer} came out.",  # as it is: search finds it
    "A test gave {words} litres of water.",  # in other words: the judge must
    "What valve {number} releases was measured: {answer}, in the first hour.",
    "Valve {number}: {words} litres, all of it water.",
)
OPEN = (
    "Nothing came out in a test.",
    "Valve {number} is made of brass and was painted in 1990.",
    "The valve beside valve {number} releases 3 litres of oil.",
    "What valve {number} releases is noted in the log.",
)
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def planted():
    for number in range(200):
        litres = 20 + 10 * (number % 8)
        filled = {"number": number, "answer": f"{litres} litres of water", "words": TENS[number % 8]}
        shown = (HOLDING if number % 2 else OPEN)[number // 2 % 4].format(**filled)
        yield number, filled["answer"], f"Valve {number} releases {filled['answer']}.", shown


def reader(request):
    """Read the given passage; miss one in four answers that occur there verbatim, invent one in twenty."""
    text, asked = request.messages[-1]["content"].split("\n~~~\n\n")
    number = int(re.search(r"valve (\d+)", asked)[1])
    _, answer, _, shown = list(planted())[number]
    if shown not in text:
        return SILENCE
    if number % 2:
        return SILENCE if answer in shown and number % 8 == 1 else answer
    return answer if number % 40 == 4 else SILENCE


@pytest.mark.slow
def test_no_answerable_question_is_refused_in_a_planted_set(tmp_path):
    """Of 200 questions, no answerable one is labelled unanswerable, and at least 90 of 100 others are found."""
    rows, shelf = [], []
    for number, answer, own, shown in planted():
        name = f"manual {number}"
        question = f"What does valve {number} release?"
        row = probe(
            0, document=name, question=question, answer=answer, context=own, evidence=own, id=str(number)
        )
        row["lineage"] |= {"document_id": name, "passage_id": f"{name}-0", "start": 0, "end": 150}
        rows.append(row)
        shelf += [(name, 0, own), (name, 1, shown)]
    shelve(tmp_path, shelf, 50)
    kept_rows, _ = put_through(stage, rows, 30, folder=tmp_path, columns=COLUMNS, share=1, changed=0)
    kept, dropped, _ = ask(refuse, kept_rows, reader, known_question=0, found_in_context=0)
    refused = {int(row["question"].split()[3].strip("?")): row["context"] for row in kept}
    own_near = {number for number, _, _, shown in planted() if refused.get(number) == shown}
    assert not {number for number in own_near if number % 2}
    assert len([number for number in own_near if not number % 2]) >= 90
    for number, answer, _, _ in planted():  # any other passage shown in its place leaves it open, too
        if number in refused:
            assert (
                contained_share(answer, refused[number], language=ENGLISH) < 1
                and f"alve {number} releases {answer}" not in refused[number]
            )
    assert {row["reason"] for row in dropped} == {"context may answer it"}
