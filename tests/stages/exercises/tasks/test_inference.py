"""Handwritten inference answers: each of three statements must have its relation to the sentence; one is shown."""

import json
from collections import Counter

import pytest

from datagen.prompt import load
from datagen.stages.generate.instruct import stage
from tests.support.asked import ask
from tests.support.written import outcome_of, passage

TEXT = """\
The archive of Borduria keeps 300 maps of the river in its cellar. Names in the target list are not deleted
when the loop is finished.
"""
MAPS = "The archive of Borduria keeps 300 maps of the river in its cellar."
SOUND = {
    "evidence": MAPS,
    "entailed": "The archive of Borduria keeps 300 maps of the river.",
    "contradicted": "The archive of Borduria keeps 500 maps of the river.",
    "open": "The archive of Borduria lends maps to schools.",
}
FORMS = load("instructions/inference").fields["forms"]


def test_a_sound_answer_shows_the_premise_and_one_statement():
    pair = outcome_of("inference", SOUND, TEXT)
    assert MAPS in pair["question"]
    assert sum(SOUND[label] in pair["question"] for label in ("entailed", "contradicted", "open")) == 1
    assert (pair["context"], pair["evidence"]) == (None, MAPS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"entailed": MAPS}, "copies the passage"),
        ({"entailed": "The archive of Borduria keeps 400 maps of the river."}, "not shown to be true"),
        ({"entailed": "The archive of Borduria lends maps to schools."}, "not shown to be true"),
        ({"contradicted": SOUND["entailed"]}, "not shown to be false"),
        ({"contradicted": "The archive of Borduria burnt down."}, "not shown to be false"),
        ({"open": SOUND["contradicted"]}, "not shown to be left open"),
        ({"open": "The maps of the river stand in the cellar of the archive."}, "not shown to be left open"),
        ({"open": "The archive of Borduria never lends maps to schools."}, "not shown to be left open"),
        ({"open": "Bees make honey from flowers."}, "not about its evidence"),
        ({"open": "It lends maps to schools."}, "depends on earlier text"),
        ({"contradicted": "The text says that the archive keeps 500 maps."}, "refers to the passage"),
        ({"evidence": "The archive keeps maps."}, "evidence not in passage"),
    ],
)  # fmt: skip
def test_a_flaw_is_dropped_with_its_reason(change, reason):
    assert outcome_of("inference", SOUND | change, TEXT) == reason


@pytest.mark.slow
def test_the_three_labels_are_balanced_and_match_their_statements():
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(240)]
    kept, dropped, _ = ask(stage, rows, lambda _: json.dumps(SOUND), tasks=["inference"])
    assert not dropped
    shown = Counter()
    for pair in kept:
        (label,) = {form for form in ("entailed", "contradicted", "open") if SOUND[form] in pair["question"]}
        assert pair["answer"] in {form[label] for form in FORMS}
        shown[label] += 1
    assert all(55 < count < 105 for count in shown.values())
    assert len({pair["answer"] for pair in kept}) == 3 * len(FORMS)
