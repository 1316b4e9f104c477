"""Run rows through a model stage with a function as the model, and check that none is lost."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from datagen.engines.scripted import completion_of
from datagen.request import Answer, Answers, Identity
from datagen.schema import TABLES, table_of
from tests.support.rows import context

WHO = Identity("planted", "1")


def ask(stage, rows, model, who=WHO, recipe=None, **options):
    """
    Answer a stage's requests with a function, and let the stage read the answers.

    Returns the outcome's kept and dropped rows, and the requests in the order in which they were sent.
    """
    table = rows if isinstance(rows, pa.Table) else table_of(TABLES[stage.takes], rows)
    given = stage.options.model_validate(options)
    where = replace(context(stage.name, Path(), **(recipe or {})), model=who)
    requests = []

    def answer(asked):
        requests.extend(asked)
        return answers_to(asked, model, who)

    answers = stage.converse(table, given, where, answer)
    outcome = stage.read(table, answers, given, where)
    kept, dropped = outcome.kept.to_pylist(), outcome.dropped.to_pylist()
    if stage.takes == stage.gives:
        assert sorted(row["id"] for row in [*kept, *dropped]) == sorted(table["id"].to_pylist())
    else:
        parents = {parent for row in [*kept, *dropped] for parent in row["lineage"]["parents"]}
        if stage.takes == "candidates":  # derived rows also name their parents
            parents -= {parent for row in table.to_pylist() for parent in row["lineage"]["parents"]}
        assert parents == set(table["id"].to_pylist())
        assert len({row["id"] for row in kept}) == len(kept)
    assert all(row["reason"] and row["detail"] is not None for row in dropped)
    return kept, dropped, requests


def answers_to(requests, model, who):
    """Answer requests with a function."""
    return Answers(Answer(r, completion_of(model(r), r, r.key(who), who)) for r in requests)
