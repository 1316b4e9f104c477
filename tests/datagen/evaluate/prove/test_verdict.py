"""Verdicts: sentences, gains over the right controls, and detection of a poisoned hand-off."""

from zlib import crc32

import numpy as np

from datagen.evaluate.prove import page, verdict
from datagen.evaluate.prove.effect import difference
from datagen.evaluate.prove.items import Item
from datagen.evaluate.prove.verdict import gains, sentences, verdicts

WORTH = 0.03


def items_of(count, per_passage=5, family="cloze", seen=None):
    return [
        Item(f"{family}-{n}", family, f"p{n // per_passage}", "ask", ("a", "b", "c", "d"), seen=bool(n % 2) if seen is None else seen)
        for n in range(count)
    ]  # fmt: skip


def fit(items, gain, random, form=0.0):
    """Simulate a fit: `gain` raises the log odds of the right answer, `form` those of every choice."""
    scores = {}
    for item in items:
        ease = np.random.default_rng(crc32(item.id.encode())).normal(0, 1)
        sums = random.normal(0, 0.3, 4) - 8 + form
        sums[0] += ease + (gain(item) if callable(gain) else gain)
        scores[item.id] = [sums.tolist(), [2.0] * 4]
    return {"items": scores, "held_out": 3.0, "general": None}


def simulated(gains_of, items, seeds=2, form=None):
    random = np.random.default_rng(5)
    fits = {}
    for arm, gain in gains_of.items():
        for seed in range(1 if arm == "base" else seeds):
            fits[arm, seed] = fit(items, gain, random, (form or {}).get(arm, 0.0))
    return fits


def test_pairs_have_to_beat_the_format_control_and_not_raw():
    cloze = items_of(400)
    fits = simulated({"base": 0, "raw": 0, "pairs": 1.0, "format_control": 1.0}, cloze)
    by_question = {(v.question, v.family): v for v in verdicts(fits, cloze, WORTH)}
    assert {question for question, _ in by_question} == {"training", "pairs_seen", "pairs_unseen"}
    assert all(v.outcome != "helps" for v in by_question.values())
    assert not gains(list(by_question.values()))


def test_a_gain_from_raw_text_is_no_gain_of_the_hand_off():
    cloze = items_of(300)
    answered = verdicts(simulated({"base": 0, "raw": 1.0, "reading": 1.0}, cloze), cloze, WORTH)
    assert next(v for v in answered if v.question == "training").outcome == "helps"
    assert not gains(answered)


def test_learning_the_answer_format_is_no_gain_although_the_answer_loss_falls():
    items = items_of(300, family="question")
    fits = simulated({"base": 0, "raw": 0, "reading": 0}, items, form={"reading": 5.0})
    table = verdict.measures(fits, items)
    assert table["reading"]["answer_loss"] < table["raw"]["answer_loss"] - 2
    assert not gains(verdicts(fits, items, WORTH))


def test_a_poisoned_hand_off_is_detected():
    items = [*items_of(200), *items_of(100, family="reworded")]

    def right(item):
        return 0.9 if item.seen else 0.0

    def poisoned(item):
        return -0.4 if item.seen else 0.0

    control = {"base": 0, "raw": 0, "format_control": 0, "shuffled": poisoned}
    for gain, expected in ((right, True), (poisoned, False)):
        fits = simulated(control | {"pairs": gain, "pairs_alone": gain}, items)
        answered = verdicts(fits, items, WORTH)
        for question in ("pairs_seen", "answers"):
            seen = [v for v in answered if v.question == question]
            assert len(seen) == 2 and all((v.outcome == "helps") == expected for v in seen)
        assert all(v.outcome != "helps" for v in answered if v.question == "pairs_unseen")
        assert gains(answered) == expected


def test_surpassing_wrong_answers_is_no_gain_of_the_hand_off():
    items = items_of(300)
    fits = simulated({"base": 0, "raw": 0, "pairs_alone": 0, "shuffled": -2.0}, items)
    answered = verdicts(fits, items, WORTH)
    assert next(v for v in answered if v.question == "answers").outcome == "helps"
    assert not gains(answered)


def test_seeds_are_paired_and_base_is_used_for_all():
    items = items_of(10)
    fits = simulated({"base": 0, "raw": 0.5}, items, seeds=3)
    arm = [fits["raw", seed] for seed in range(3)]
    assert difference(arm, [fits["base", 0]], items).shape == (3, 10)
    del fits["raw", 1]
    assert verdicts(fits, items, WORTH)[0].seeds == 2


def test_only_seeds_that_both_arms_have_are_compared():
    items = items_of(50)
    fits = simulated({"raw": 0, "reading": 1}, items, seeds=2)
    del fits["raw", 1]
    of_reading = [v for v in verdicts(fits, items, WORTH) if v.question == "reading"]
    assert {v.seeds for v in of_reading} == {1}


def test_each_question_is_one_sentence_with_its_figures():
    items = [*items_of(40), *items_of(300, family="question")]
    fits = simulated(
        {"base": 0, "raw": 0, "reading": lambda item: 1.5 if item.family == "question" else 0.12}, items
    )
    answered = verdicts(fits, items, WORTH)
    summary = sentences(answered)
    assert len(summary) == 2
    assert "more items needed" in summary[1] and "helps" in summary[1] and "300 items" in summary[1]
    assert gains(answered)


def phrase(outcome, low, high, **fields):
    given = {"items": 50, "passages": 10, "seeds": 2, "effect": 0.0, "detectable": 0.1} | fields
    return verdict.Verdict("pairs_seen", "cloze", outcome=outcome, low=low, high=high, **given).phrase()


def test_harm_is_stated_only_if_the_whole_interval_is_negative():
    assert "harms" in phrase("does not help", -0.2, -0.01)
    assert "harms" not in phrase("does not help", -0.2, 0.01)
    assert "harms" not in phrase("cannot tell", -0.2, 0.1, more=90)


def test_the_detectable_gain_of_a_question_without_items_is_unknown():
    items = items_of(40, seen=False)
    fits = simulated({"pairs": 0, "format_control": 0}, items)
    rows = {(row["question"], row["family"]): row for row in verdict.as_rows(verdicts(fits, items, WORTH))}
    assert rows["pairs_seen", "cloze"]["detectable"] is None
    assert rows["pairs_unseen", "cloze"]["detectable"] > 0


def test_the_plot_shows_each_interval():
    items = [*items_of(40), *items_of(300, family="question")]
    fits = simulated({"base": 0, "raw": 0.2, "reading": 0.4}, items)
    rows = verdict.as_rows(verdicts(fits, items, WORTH))
    svg = page.draw(rows, WORTH)
    from xml.etree import ElementTree

    tree = ElementTree.fromstring(svg)
    spans = [
        line
        for line in tree.iter("{http://www.w3.org/2000/svg}line")
        if line.get("class") in ("helps", "not", "open")
    ]
    assert len(spans) == len(rows) == 4
    for line, row in zip(spans, rows, strict=True):
        assert float(line.get("x1")) <= float(line.get("x2"))
        assert (row["low"] <= 0 <= row["high"]) == (
            float(line.get("x1")) <= _zero(tree) <= float(line.get("x2"))
        )


def _zero(tree):
    return next(
        float(line.get("x1"))
        for line in tree.iter("{http://www.w3.org/2000/svg}line")
        if line.get("class") == "zero"
    )
