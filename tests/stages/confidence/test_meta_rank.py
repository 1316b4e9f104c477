"""Meta Ranking with a judge whose preferences are planted."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.errors import UserError
from datagen.stages.confidence.meta_rank import Options, stage
from tests.support.asked import WHO, ask
from tests.support.rows import example

PASSAGE = "The tower was designed by Gustave Eiffel and opened in 1889."
WORTH = {"sound": 0.9, "fair": 0.5, "wrong": 0.1}  # the judge's rating, by the text of the answer


def row(answer, **fields):
    return example(answer=answer, **{"question": "Who?", "context": PASSAGE, "evidence": PASSAGE} | fields)


def judge(request):
    """Prefer by the odds of the planted worth of both answers."""
    answers = dict(re.findall(r"\((A|B)\)\n.*?Answer: (\w+)", request.messages[-1]["content"], re.DOTALL))
    return {"choices": tuple(math.log(WORTH[answers[letter]]) for letter in request.choices)}


@pytest.fixture
def known(tmp_path):
    """Write a file of right and wrong references; return its path."""

    def write(right, wrong, **fields):
        pairs = [{"question": f"r{n}", "answer": "sound", "verdict": "right"} | fields for n in range(right)]
        pairs += [{"question": f"w{n}", "answer": "wrong", "verdict": "wrong"} | fields for n in range(wrong)]
        path = tmp_path / "known.jsonl"
        path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
        return str(path)

    return write


def test_a_row_is_measured_between_right_and_wrong_references(known):
    kept, dropped, _ = ask(stage, [row(a) for a in WORTH], judge, references=known(2, 2), compared=4)
    sound, fair, wrong = (scored["meta_rank"] for scored in kept)
    against = [0.9 / (0.9 + 0.9), 0.9 / (0.9 + 0.1)]  # P(better than a right one), than a wrong one
    assert sound == pytest.approx((against[0] + against[1] - 1) / 2)
    assert sound > 0 > wrong and sound > fair > wrong and not dropped


def test_each_reference_is_compared_in_both_orders(known):
    many = known(20, 3)
    _, _, requests = ask(stage, [row("sound"), row("fair")], judge, references=many)
    assert len({request.key(WHO) for request in requests}) == 2 * 5 * 2  # rows, references, orders
    for owner in {request.row for request in requests}:
        about = [request.about for request in requests if request.row == owner]
        assert len(set(about)) == 5 and all(about.count(reference) == 2 for reference in about)
    shown = {re.search(r"Question: ([rw])\d", request.messages[-1]["content"])[0] for request in requests}
    assert sorted(question[-2] for question in shown) == ["r", "r", "r", "w", "w"]  # alternating
    _, _, once = ask(stage, [row("sound")], judge, references=many, orders=1)
    assert len(once) == 5


def test_position_bias_cancels_out(known):
    def fond_of_a(request):
        return {"choices": tuple(-0.1 if letter == "A" else -3.0 for letter in request.choices)}

    kept, _, _ = ask(stage, [row(f"x{n}") for n in range(9)], fond_of_a, references=known(2, 2), compared=4)
    assert {round(scored["meta_rank"], 9) for scored in kept} == {0.0}


@given(st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4))
def test_the_score_is_bounded(tmp_path_factory, beliefs):
    path = tmp_path_factory.mktemp("m") / "known.jsonl"
    path.write_text(
        "".join(
            json.dumps({"question": str(n), "answer": "a", "verdict": "right" if n < 2 else "wrong"}) + "\n"
            for n in range(4)
        )
    )

    def some(request):
        place = int(re.search(r"Question: (\d)", request.messages[-1]["content"])[1])
        return {"choices": (math.log(beliefs[place]), math.log(1 - beliefs[place]))}

    (scored,), _, _ = ask(stage, [row("sound")], some, references=str(path), compared=4)
    assert scored["meta_rank"] == pytest.approx((sum(beliefs) - 2) / 4) and -0.5 <= scored["meta_rank"] <= 0.5


def test_only_a_changed_file_repeats_the_requests(known):
    def keys(path):
        return {request.key(WHO) for request in ask(stage, [row("fair")], judge, references=path)[2]}

    first = keys(known(3, 3))
    assert first == keys(known(3, 3)) and first.isdisjoint(keys(known(3, 3, context="A passage.")))


def test_a_failed_comparison_yields_null(known):
    requests = []

    def failing(request):
        requests.append(request)
        return {"finish": "error", "error": "too long"} if len(requests) == 3 else judge(request)

    (scored,), dropped, _ = ask(stage, [row("sound")], failing, references=known(3, 3))
    assert scored["meta_rank"] is None and not dropped


def test_passages_are_fenced_and_optional(known):
    _, _, requests = ask(
        stage, [row("sound")], judge, references=known(1, 1, context="Some ~~~ text."), compared=2
    )
    text = requests[0].messages[-1]["content"]
    assert text.count("\n~~~\n") == 4 and PASSAGE in text and "Some ~~~" not in text
    (scored,), _, _ = ask(
        stage, [row("sound", context=None, evidence=None)], judge, references=known(1, 1), compared=2
    )
    assert scored["meta_rank"] is not None


def test_the_last_label_of_a_pair_counts(tmp_path):
    path = tmp_path / "twice.jsonl"
    labels = [
        {"question": "?", "answer": answer, "verdict": v} for answer, v in (("a", "wrong"), ("b", "wrong"))
    ]
    path.write_text(
        "".join(json.dumps(label) + "\n" for label in [*labels, labels[0] | {"verdict": "right"}])
    )
    _, _, requests = ask(
        stage, [row("sound")], lambda request: {"choices": (-1.0, -1.0)}, references=str(path)
    )
    assert len({request.about for request in requests}) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"question": "?", "answer": "a", "verdict": "right"}', "1 are right and 0 wrong"),
        ('{"id": "x", "text": "A reading.", "verdict": "wrong"}', "of 0 pairs"),
        ('{"question": "?", "answer": "a", "verdict": "skip"}', "0 are right and 0 wrong"),
        ('{"question": "?", "answer": "a"}', r"known.jsonl:1: verdict: Field required"),
        ("not JSON", r"known.jsonl:1: a pair: Invalid JSON"),
    ],
)
def test_invalid_references_are_reported(tmp_path, line, message):
    path = tmp_path / "known.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        ask(stage, [row("sound")], judge, references=str(path))


def test_references_are_required_and_must_exist():
    with pytest.raises(ValidationError, match="references"):
        Options()
    with pytest.raises(UserError, match="cannot read"):
        ask(stage, [row("sound")], judge, references="nowhere.jsonl")
