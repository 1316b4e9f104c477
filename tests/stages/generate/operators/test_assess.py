"""The quality gate for candidates."""

import pytest

from datagen.stages.generate.operators.assess import stage
from tests.support.asked import ask
from tests.support.pairs import labels, parent, says_no, says_yes

CANDIDATE = parent(metadata='{"operator": "expand"}')


def test_a_sound_candidate_becomes_an_example_with_its_score_and_its_parents():
    (row,), dropped, requests = ask(stage, [CANDIDATE], says_yes)
    assert not dropped and len(requests) == 2  # both orders of the options
    assert labels(row)["operator"] == "expand" and labels(row)["quality"] > 0.9
    assert row["lineage"]["parents"] == [CANDIDATE["id"], "p"]
    assert len(row["lineage"]["requests"]) == 3 and row["id"] != CANDIDATE["id"]
    assert (row["question"], row["answer"]) == (CANDIDATE["question"], CANDIDATE["answer"])


def test_the_judge_is_not_among_the_models_that_wrote_the_row():
    (row,), _, _ = ask(stage, [CANDIDATE], says_yes)
    assert row["lineage"]["model"] == "writer"
    assert row["lineage"]["models"] == [{"model": "writer", "revision": "1", "licence": "MIT"}]


def test_an_unsound_candidate_is_dropped_with_its_score():
    kept, (row,), _ = ask(stage, [CANDIDATE], says_no)
    assert not kept and row["reason"] == "assessed as unsound"
    assert labels(row)["quality"] < 0.1


def test_the_threshold_is_an_option():
    def torn(request):
        return {"text": "A", "choices": [-0.7 for _ in request.choices]}

    assert ask(stage, [CANDIDATE], torn, least=0.5)[0]
    assert not ask(stage, [CANDIDATE], torn, least=0.51)[0]


@pytest.mark.parametrize("fault", [{"finish": "error", "error": "x"}, {"choices": []}])
def test_a_candidate_that_was_not_assessed_is_dropped(fault):
    kept, (row,), _ = ask(stage, [CANDIDATE], lambda request: {"text": ""} | fault)
    assert not kept and row["reason"] == "not assessed"
