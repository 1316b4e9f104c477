"""Contradictory supervision between known and unknown questions."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.schema import EXAMPLES, PROBES
from datagen.stages.knowledge.contradictions import stage
from datagen.stages.knowledge.refuse import stage as refuse
from tests.support.asked import ask
from tests.support.probes import KNOWLEDGE, SILENCE, probe
from tests.support.rows import example, put_through

COLUMNS = {name: PROBES.field(name).type for name in ("label", "accuracy", "entropy", "misled")}


def asked(question, label, number=0, **fields):
    row = example(question=question, answer="x", id=f"{label}-{number}-{question}")
    return row | {name: KNOWLEDGE[label].get(name) for name in COLUMNS} | fields


def settle(rows, size=None, **options):
    return put_through(stage, rows, size, columns=COLUMNS, **options)


@pytest.mark.parametrize("size", [1, 2, None])
def test_an_unknown_question_known_in_other_words_is_dropped(size):
    rows = [
        asked("What is the capital of Peru?", "known"),
        asked("Which city is the capital of Peru?", "unknown"),  # in another partition where the size is 1
        asked("What is the capital of Chad?", "unknown"),
        asked("What is the capital of Oman?", "known"),
    ]
    kept, dropped = settle(rows, size)
    (contradiction,) = dropped
    assert (contradiction["question"], contradiction["reason"]) == (
        "Which city is the capital of Peru?",
        "known in other words",
    )
    assert contradiction["detail"] == f"as {rows[0]['id']}"
    assert len(kept) == 3


def test_an_identical_question_is_also_dropped():
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
def test_a_different_question_is_no_contradiction(one, other):
    assert not settle([asked(one, "known"), asked(other, "unknown")])[1]


def test_one_right_answer_prevents_a_refusal():
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
def test_order_and_partitions_do_not_matter_and_no_contradiction_remains(pairs, size):
    rows = [asked(f"Who built the {' '.join(words)}?", label, n) for n, (words, label) in enumerate(pairs)]
    kept, dropped = settle(rows, size)
    again = settle(rows[::-1])[0]
    assert {row["id"] for row in kept} == {row["id"] for row in again}
    assert all(row["label"] == "unknown" for row in dropped)
    assert not settle(kept)[1] if kept else True
    known = {row["question"] for row in kept if row["label"] == "known"}
    assert not any(row["question"] in known for row in kept if row["label"] == "unknown")


@pytest.mark.parametrize("size", [1, None])
def test_by_entropy_misled_questions_stay_known(size):
    """WACK's three behaviours, with a target that is least certain where it was misled."""
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
    """The unsupervised form of R-Tuning: correctness is ignored."""
    rows = [asked(f"Who runs hall {n}?", "unknown", n, entropy=float(n)) for n in range(10)]
    kept, _ = settle(rows, 3, by="entropy")
    assert {row["entropy"] for row in kept if row["label"] == "known"} == {0.0, 1.0, 2.0, 3.0, 4.0}
    ties = [asked(f"Who runs hall {n}?", "known", n, entropy=0.0) for n in range(10)]
    assert sum(row["label"] == "known" for row in settle(ties, 4, by="entropy")[0]) == 5


def test_no_rows():
    assert settle([]) == ([], [])


def test_the_report_states_how_much_is_known(tmp_path):
    labels = ["known", "known", "unknown", "ambiguous"]
    rows = [
        asked(f"Who runs hall {n}?", label, n, misled=n == 0 if label == "known" else None)
        for n, label in enumerate(labels)
    ]
    settle(rows, 2, output=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["labels"] == {"known": 2, "unknown": 1, "ambiguous": 1} and report["shares"]["known"] == 0.5
    assert (report["misled"], report["not misled"], report["known in other words"]) == (1, 1, 0)
