"""Requests steered by the rows that tasks still lack, and by the coverage of passages and documents."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.request import Answers
from datagen.schema import EXAMPLES, PASSAGES, table_of
from datagen.stage import Partitions
from datagen.stages.generate.balance import Coverage, Options, prepare, stage
from datagen.store.parquet import write_table
from tests.support.asked import answers_to
from tests.support.generators import GOOD, TEXT
from tests.support.rows import context, example

TARGETS = {"comparison": 3, "how_to": 2}


def passages(count, per_document=2):
    """Make passages, named p0, p1, ... of the documents d0, d0, d1, ..."""
    return [
        {
            "id": f"p{number}",
            "document_id": f"d{number // per_document}",
            "source": "leases.md",
            "title": "Leases",
            "section": [],
            "text": TEXT,
            "start": 0,
            "end": len(TEXT),
            "index": number % per_document,
            "language": "en",
        }
        for number in range(count)
    ]


def row(task, passage, document="d0", **fields):
    """Make an instruction about a passage."""
    made = example(document=document, task=task, question=f"{task} {passage} {fields}", answer="a")
    made["lineage"]["passage_id"] = passage
    return made | fields


def run_of(folder, kept=(), dropped=(), refined=None):
    """Write the table of an earlier stage, with its drops, and return a context that includes it."""
    where = folder / "stages" / "instruct"
    write_table(table_of(EXAMPLES, list(kept)), where / "part-00000.parquet")
    write_table(table_of(EXAMPLES, list(dropped)), where / "dropped" / "part-00000.parquet")
    last = where
    if refined is not None:
        last = folder / "stages" / "curate"
        write_table(table_of(EXAMPLES, list(refined)), last / "part-00000.parquet")
    return replace(context("balance", folder), run_folder=folder, tables={"examples": [last]})


def assigned(where, rows, **options):
    """Return the prepared options and the tasks of each passage."""
    table = table_of(PASSAGES, rows)
    readers = [lambda names, part=table.slice(n, 3): part for n in range(0, len(table), 3)]
    options = {"targets": TARGETS} | options
    made = prepare(Partitions(readers), Options.model_validate(options), where)
    return made, {passage: sorted(tasks) for passage, tasks in made.assigned.items()}


def test_each_task_is_asked_about_as_many_passages_as_it_lacks_rows(tmp_path):
    _, tasks = assigned(run_of(tmp_path), passages(12))
    assert Counter(task for names in tasks.values() for task in names) == TARGETS


def test_a_task_at_its_target_is_not_asked(tmp_path):
    kept = [row("comparison", f"p{n}", "d9") for n in range(3)]
    _, tasks = assigned(run_of(tmp_path, kept), passages(12))
    assert Counter(task for names in tasks.values() for task in names) == {"how_to": 2}


def test_rows_that_a_later_stage_dropped_are_lacking(tmp_path):
    kept = [row("comparison", f"p{n}") for n in range(3)]
    _, tasks = assigned(run_of(tmp_path, kept, refined=kept[:2]), passages(12), targets={"comparison": 3})
    assert len(tasks) == 2  # one row is missing, and two of three passages gave one


def test_a_low_yield_raises_the_number_of_passages(tmp_path):
    failed = [row("comparison", f"p{n}", answer=None) for n in range(1, 6)]
    where = run_of(tmp_path, [row("comparison", "p0")], failed)
    _, tasks = assigned(where, passages(20), targets={"comparison": 3})
    assert len(tasks) == 7  # two rows are missing; a row takes (6 + 1) / (1 + 1) passages


def test_a_task_without_yield_does_not_use_the_whole_corpus(tmp_path):
    failed = [row("comparison", f"p{n}", answer=None) for n in range(30)]
    _, tasks = assigned(run_of(tmp_path, (), failed), passages(90), targets={"comparison": 1})
    assert len(tasks) == 10


def test_a_passage_is_not_asked_the_same_task_twice(tmp_path):
    where = run_of(tmp_path, [row("comparison", "p0")], [row("comparison", "p1", answer=None)])
    _, tasks = assigned(where, passages(4), targets={"comparison": 9})
    assert set(tasks) == {"p2", "p3"}


def test_documents_and_passages_without_rows_come_first(tmp_path):
    kept = [row("extraction", "p0", "d0"), row("extraction", "p2", "d1"), row("extraction", "p3", "d1")]
    where = run_of(tmp_path, kept)
    _, two = assigned(where, passages(6), targets={"comparison": 2})
    assert set(two) & {"p4", "p5"} and set(two) <= {"p1", "p4", "p5"}  # d2 has no row, d1 has two
    _, three = assigned(where, passages(6), targets={"comparison": 3})
    assert {"p4", "p5", "p1"} == set(three)  # then the passage of d0 without a row


def test_expected_rows_of_one_task_count_for_the_next(tmp_path):
    _, tasks = assigned(run_of(tmp_path), passages(8), targets={"comparison": 4, "how_to": 4})
    assert set(map(len, tasks.values())) == {1} and len(tasks) == 8


def test_only_passages_that_suit_are_taken(tmp_path):
    rows = passages(4)
    for unsuited in rows[:3]:
        unsuited["text"] = "Nothing here."
    _, tasks = assigned(run_of(tmp_path), rows, targets={"classification": 4})
    assert set(tasks) == {"p3"}


def test_the_stage_asks_and_reads_only_what_is_assigned(tmp_path):
    where, rows = run_of(tmp_path), passages(8)
    options, tasks = assigned(where, rows)
    table = table_of(PASSAGES, rows)
    requests = list(stage.ask(table, options, where))
    assert Counter((request.row, request.task) for request in requests) == Counter(
        (passage, task) for passage, names in tasks.items() for task in names
    )
    answers = answers_to(requests, lambda request: str(GOOD[request.task]).replace("'", '"'), where.model)
    outcome = stage.read(table, answers, options, where)
    assert Counter(outcome.kept["task"].to_pylist()) == TARGETS
    spared = {
        row["lineage"]["passage_id"] for row in outcome.dropped.to_pylist() if row["reason"] == "not needed"
    }
    assert spared == {row["id"] for row in rows} - set(tasks) != set()
    empty = stage.read(table, Answers(()), options, where)
    assert len(empty.dropped) == len(rows)


def test_the_choice_depends_on_the_seed_alone(tmp_path):
    where = run_of(tmp_path)
    first = assigned(where, passages(30))[1]
    assert first == assigned(where, passages(30))[1]
    assert first != assigned(replace(where, seed=1), passages(30))[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "targets"),
        ({"targets": {}}, "targets"),
        ({"targets": {"comparison": 0}}, "greater than 0"),
        ({"targets": {"no_task": 3}}, "no task 'no_task'"),
        ({"targets": TARGETS, "tasks": {"summary": 1.0}}, "'summary' has no target"),
        ({"targets": TARGETS, "share": 0.5}, "remove share"),
        ({"targets": TARGETS, "per_passage": 1}, "remove share and per_passage"),
    ],
)
def test_mistakes_in_the_options_are_explained(given, message):
    with pytest.raises(ValidationError, match=message):
        Options.model_validate(given)


def test_a_custom_task_can_have_a_target():
    duty = {
        "prompt": "Copy a duty.",
        "output": {"evidence": "quote"},
        "question": "What?",
        "answer": "{evidence}",
    }
    options = Options.model_validate({"targets": {"duty": 5}, "tasks": {"duty": duty}})
    assert set(options.tasks) == {"duty"}


@given(
    st.lists(st.sampled_from("abcd"), max_size=12),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 6)),
    st.integers(0, 12),
)
def test_no_document_gets_a_row_while_one_with_fewer_rows_has_a_passage(documents, rows, count):
    coverage = Coverage()
    coverage.of_document.update(rows)
    candidates = [(f"p{n}", document, frozenset[str]()) for n, document in enumerate(documents)]
    ranked = coverage.least_covered(candidates, 0)
    assert sorted(ranked) == sorted(candidates)
    now = Counter(rows)
    for place, (_, document, _) in enumerate(ranked[:count]):
        assert all(now[document] <= now[other] for _, other, _ in ranked[place:])
        now[document] += 1
