"""
Requests about a row of examples or candidates do not depend on the other rows of its partition.

Otherwise their stored completions become useless when a neighbour changes, or when other tables are read together.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from datagen.recipe.registry import BUILT_IN, find_stage
from datagen.run.units import JOINED
from datagen.schema import TABLES, table_of
from datagen.stage import ModelStage
from tests.support.asked import WHO
from tests.support.pairs import LONG_ANSWER, OTHER_ANSWER, OTHER_QUESTION, RENEWAL, parent
from tests.support.rows import context

ALONE = {
    *("another_output", "expand", "refine", "chain", "formats", "reflect_questions", "reflect_answers"),
    *("propose", "validate", "score", "consistency", "auto_correct", "difficulty"),
}
# They show other rows on purpose (docs/architecture.md, Partitions).
NEIGHBOURS = {"expand_pairs", "assess", "dialogue"}
# They ask about columns that other stages add, or nothing about these rows.
NOT_HERE = {"accept_questions", "accept_answers", "delift_utility", "meta_rank", "describe_formats", "probe"}

ROWS = [
    parent(),
    parent(RENEWAL, LONG_ANSWER, task="how_to"),
    parent(OTHER_QUESTION, OTHER_ANSWER),
    parent("How long may a lease last at most?", "12 years"),
]


def requests(name, rows):
    """List the keys of the first requests of a stage."""
    stage = find_stage(name)
    table, where = table_of(TABLES[stage.takes], rows), replace(context(name, Path()), model=WHO)
    return {request.key(WHO) for request in stage.ask(table, stage.options(), where)}


@pytest.mark.parametrize("name", sorted(ALONE))
def test_requests_about_a_row_are_the_same_with_and_without_other_rows(name):
    together = requests(name, ROWS)
    assert together == set().union(*(requests(name, [row]) for row in ROWS))
    assert together


@pytest.mark.parametrize("name", ["expand_pairs", "assess"])
def test_stages_that_show_other_rows_ask_other_requests(name):
    """If this no longer holds, the documentation is wrong."""
    assert requests(name, ROWS) != set().union(*(requests(name, [row]) for row in ROWS))


def test_every_stage_whose_tables_are_read_together_is_listed():
    stages = {stage.name: find_stage(stage.name) for stage in BUILT_IN}
    asking = {name for name, made in stages.items() if isinstance(made, ModelStage) and made.takes in JOINED}
    assert asking == ALONE | NEIGHBOURS | NOT_HERE
