"""Contradictory supervision at the border of what a target knows."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.schema import EXAMPLES, PROBES
from datagen.stages.knowledge.contradictions import stage
from datagen.stages.knowledge.refuse import stage as refuse
from tests.support.asked import ask
from tests.support.probes import SAID, SILENCE, probe
from tests.support.rows import example, put_through

COLUMNS = {name: PROBES.field(name).type for name in ("label", "accuracy", "entropy", "misled")}


def asked(question, label, number=0, **fields):
    row = example(question=question, answer="x", id=f"{label}-{number}-{question}")
    return row | {name: SAID[label].get(name) for name in COLUMNS} | fields


def settle(rows, size=None, **options):
    return put_through(stage, rows, size, columns=COLUMNS, **options)


@pytest.mark.parametrize("size", [1, 2, None])
def test_an_unknown_question_goes_where_it_is_known_in_other_words(size):
    rows = [
        asked("What is the capital of Peru?", "known"),
        asked("Which city is the capital of Peru?", "unknown"),  # in another partition where the size is 1
        asked("What is the capital of Chad?", "unknown"),
        asked("What is the capital of Oman?", "known"),
    ]
    kept, dropped = settle(rows, size)
    (gone,) = dropped
    assert (gone["question"], gone["reason"]) == (
        "Which city is the capital of Peru?",
        "known in other words",
    )
    assert gone["detail"] == f"as {rows[0]['id']}"
    assert len(kept) == 3


def test_the_same_question_asked_twice_goes_too():
    rows = [asked("Who wrote the rule?", label, n) for n, label in enumerate(["unknown", "known", "unknown"])]
    kept, dropped = settle(rows, 1)
    assert [row["label"] for row in kept] == ["known"]
    assert len(dropped) == 2


@pytest.mark.parametrize(
    "one, other",
    [
        ("When was the bridge of Oslo built?", "Where was the bridge of Oslo built?"),
        ("What is the capital of Peru?", "What is the capital of Chad?"),
        ("Which fee is due in 2019?", "Which fee is due in 2020?"),
        ("Who may enter the hall?", "Who may not enter the hall?"),
    ],
)
def test_what_asks_for_something_else_is_no_contradiction(one, other):
    assert not settle([asked(one, "known"), asked(other, "unknown")])[1]


def test_a_question_that_was_answered_once_speaks_against_refusing_it():
    once = asked("What is the capital of Peru?", "ambiguous", accuracy=0.25)
    never = asked("What is the capital of Peru?", "ambiguous", 1, accuracy=0.0)
    unknown = asked("Which city is the capital of Peru?", "unknown")
    assert [row["id"] for row in settle([once, unknown])[1]] == [unknown["id"]]
    assert not settle([never, unknown])[1]


WORDS = st.lists(
    st.sampled_from(["old", "north", "river", "bridge", "tower", "gate"]), min_size=1, max_size=5
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(WORDS, st.sampled_from(["known", "unknown"])), min_size=1, max_size=8),
    st.integers(1, 4),
)
def test_order_and_partitions_change_nothing_and_no_contradiction_is_left(pairs, size):
    rows = [asked(f"Who built the {' '.join(words)}?", label, n) for n, (words, label) in enumerate(pairs)]
    kept, dropped = settle(rows, size)
    again = settle(rows[::-1])[0]
    assert {row["id"] for row in kept} == {row["id"] for row in again}
    assert all(row["label"] == "unknown" for row in dropped)
    assert not settle(kept)[1] if kept else True
    known = {row["question"] for row in kept if row["label"] == "known"}
    assert not any(row["question"] in known for row in kept if row["label"] == "unknown")


@pytest.mark.parametrize("size", [1, None])
def test_by_entropy_what_is_known_and_misled_is_corrected_and_never_refused(size):
    """WACK's three behaviours, with the entropies of a target that is least sure of what it was misled about."""
    misled = {"misled": True, "lure": [{"role": "user", "content": "Persuaded?"}], "lured": "3 miles"}
    rows = [
        probe(0, "known", entropy=0.1, misled=False),
        probe(1, "unknown", entropy=0.9, misled=None),
        probe(2, "known", entropy=1.5, **misled),
        probe(3, "ambiguous", entropy=0.2, misled=None),
    ]
    columns = {name: PROBES.field(name).type for name in PROBES.names if name not in EXAMPLES.names}
    settled, _ = put_through(stage, rows, size, columns=columns, by="entropy")
    assert [row["label"] for row in sorted(settled, key=lambda row: row["question"])] == [
        "known",
        "unknown",
        "known",
        "known",
    ]
    made, _, _ = ask(refuse, settled, lambda request: SILENCE)
    tasks = {
        row["question"]: {other["task"] for other in made if other["question"] == row["question"]}
        for row in rows
    }
    assert tasks[rows[0]["question"]] == {"known_question"}
    assert tasks[rows[1]["question"]] == {"does_not_know", "decline_over_guess"}
    assert tasks[rows[2]["question"]] == {"known_question", "hold_to_answer"}


def test_by_entropy_the_half_that_agrees_most_is_known():
    """The unsupervised form of R-Tuning: right answers do not count."""
    rows = [asked(f"Who runs hall {n}?", "unknown", n, entropy=float(n)) for n in range(10)]
    kept, _ = settle(rows, 3, by="entropy")
    assert {row["entropy"] for row in kept if row["label"] == "known"} == {0.0, 1.0, 2.0, 3.0, 4.0}
    ties = [asked(f"Who runs hall {n}?", "known", n, entropy=0.0) for n in range(10)]
    assert sum(row["label"] == "known" for row in settle(ties, 4, by="entropy")[0]) == 5


def test_nothing_to_settle():
    assert settle([]) == ([], [])


def test_the_report_says_how_much_is_known(tmp_path):
    labels = ["known", "known", "unknown", "ambiguous"]
    rows = [
        asked(f"Who runs hall {n}?", label, n, misled=n == 0 if label == "known" else None)
        for n, label in enumerate(labels)
    ]
    settle(rows, 2, output=tmp_path)
    said = json.loads((tmp_path / "report.json").read_text())
    assert said["labels"] == {"known": 2, "unknown": 1, "ambiguous": 1} and said["shares"]["known"] == 0.5
    assert (said["misled"], said["not misled"], said["known in other words"]) == (1, 1, 0)
