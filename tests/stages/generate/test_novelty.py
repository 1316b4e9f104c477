"""Questions are kept if they differ from seeds, earlier questions and each other, up to the target."""

from dataclasses import replace

import pytest

from datagen.schema import EXAMPLES, QUESTIONS, table_of
from datagen.stage import Partitions
from datagen.stages.generate.novelty import stage
from datagen.store.parquet import part_name, write_table
from tests.support.rows import context, example


def questions(*texts):
    return [
        {
            "id": f"q{number}",
            "task": "from_seeds",
            "question": text,
            "lineage": {"parents": ["s"], "requests": []},
        }
        for number, text in enumerate(texts)
    ]


def judged(folder, rows, size=2, tables=None, **options):
    parts = [table_of(QUESTIONS, rows[start : start + size]) for start in range(0, len(rows), size)]
    read = Partitions(
        [lambda names, part=part: part if names is None else part.select(names) for part in parts]
    )
    known = {}
    for kind, given in (tables or {}).items():
        write_table(table_of(EXAMPLES, given), folder / kind / part_name(0))
        known[kind] = [folder / kind]
    where = replace(context(stage.name), tables=known, output=folder)
    outcomes = list(stage.run(read, stage.options.model_validate(options), where))
    for part, made in zip(parts, outcomes, strict=True):
        assert sorted(part["id"].to_pylist()) == sorted(
            [*made.kept["id"].to_pylist(), *made.dropped["id"].to_pylist()]
        )
    kept = [id_ for made in outcomes for id_ in made.kept["id"].to_pylist()]
    dropped = {
        row["id"]: (row["reason"], row["detail"]) for made in outcomes for row in made.dropped.to_pylist()
    }
    return kept, dropped, outcomes[-1].figures


RENT = "How much rent does a tenant owe for an orchard in spring?"
HEIRS = "May the heirs of an owner end a seasonal lease before autumn?"
FENCE = "Who repairs a broken fence between two leased fields?"


@pytest.mark.parametrize("size", [1, 2, 9])
def test_only_the_first_of_similar_questions_is_kept(tmp_path, size):
    near = RENT.replace("spring", "autumn")
    kept, dropped, _ = judged(tmp_path, questions(RENT, near, HEIRS, near, FENCE), size)
    assert kept == ["q0", "q2", "q4"]
    assert dropped == dict.fromkeys(("q1", "q3"), ("not new", "ROUGE-L 0.92 with question q0"))


def test_questions_are_compared_with_seeds_and_earlier_questions(tmp_path):
    tables = {
        "seeds": [example(id="s0", question=RENT)],
        "examples": [example(id="e0", question=HEIRS), example(id="e1", kind="reading", text="A text.")],
    }
    near = [text.replace(" a ", " the ", 1) for text in (RENT, HEIRS, FENCE)]
    kept, dropped, _ = judged(tmp_path, questions(*near), tables=tables)
    assert kept == ["q2"]
    assert {name: detail.partition("with ")[2] for name, (_, detail) in dropped.items()} == {
        "q0": "seed s0",
        "q1": "example e0",
    }


def test_the_target_is_reached_with_new_questions_only(tmp_path):
    near = RENT.replace("spring", "autumn")
    kept, dropped, _ = judged(tmp_path, questions(RENT, near, HEIRS, FENCE), target=2)
    assert kept == ["q0", "q2"]
    assert [dropped[name][0] for name in ("q1", "q3")] == ["not new", "over the target"]


def test_diversity_is_counted_before_and_after(tmp_path):
    _, _, figures = judged(tmp_path, questions("a b c", "a b c", "d e f g"), most=0.7)
    assert figures == {
        "questions before": 3,
        "word pairs before": 7,
        "distinct word pairs before": 5,
        "questions after": 2,
        "word pairs after": 5,
        "distinct word pairs after": 5,
    }


def test_a_higher_threshold_keeps_more(tmp_path):
    near = RENT.replace("spring", "autumn")
    assert judged(tmp_path, questions(RENT, near), most=0.95)[0] == ["q0", "q1"]
