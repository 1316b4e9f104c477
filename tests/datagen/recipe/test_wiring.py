"""Connection of stages by the kinds of their tables."""

import pytest

from datagen.errors import UserError
from datagen.recipe.wiring import tables_before, wire


def test_tables_are_pooled_and_replaced():
    steps = [
        ("ingest", "", "documents"),
        ("chunk", "documents", "passages"),
        ("trim", "passages", "passages"),
        ("mine", "passages", "examples"),
        ("instruct", "passages", "examples"),
        ("probe", "examples", "probes"),
        ("refuse", "probes", "examples"),
        ("score", "examples", "examples"),
        ("mix", "examples", "examples"),
    ]
    assert wire(steps) == {
        "ingest": [],
        "chunk": ["ingest"],
        "trim": ["chunk"],
        "mine": ["trim"],
        "instruct": ["trim"],
        "probe": ["mine", "instruct"],
        "refuse": ["probe"],
        "score": ["mine", "instruct", "refuse"],
        "mix": ["score"],
    }


def test_a_stage_without_input_is_reported():
    with pytest.raises(UserError, match=r"stages.mine takes passages"):
        wire([("ingest", "", "documents"), ("mine", "passages", "examples")])


def test_tables_before_a_stage_are_listed_by_kind():
    steps = [
        ("ingest", "", "documents"),
        ("chunk", "documents", "passages"),
        ("probe", "passages", "probes"),
        ("trim", "passages", "passages"),
        ("refuse", "probes", "examples"),
    ]
    before = tables_before(steps)
    assert before["ingest"] == {}
    assert before["trim"] == {"documents": ["ingest"], "passages": ["chunk"], "probes": ["probe"]}
    assert before["refuse"] == before["trim"] | {"passages": ["trim"]}
