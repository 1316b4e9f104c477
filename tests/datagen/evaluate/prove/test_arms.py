"""Arms train equal tokens, and pairs are compared with the format control only."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.evaluate.prove import arms
from datagen.evaluate.prove.arms import CONTROLS, Row
from datagen.evaluate.prove.command import with_controls
from datagen.evaluate.prove.encode import Encoder, batches, exposures, sequence
from datagen.evaluate.prove.material import Material, Pair, Text, read, survey
from datagen.evaluate.prove.plan import draw
from datagen.evaluate.prove.settings import ARMS, settings_of
from datagen.evaluate.prove.verdict import QUESTIONS

SEED = "0"


class Letters:
    """A tokenizer of one token for each character, with a template."""

    eos_token_id = 1
    chat_template = "yes"

    def encode(self, text, add_special_tokens):
        return [ord(letter) for letter in text]

    def apply_chat_template(self, messages, add_generation_prompt, tokenize):
        return f"<user>{messages[-1]['content']}<assistant>"


ENCODER = Encoder(Letters())


def material_of(run, count=None):
    known = survey(run)
    drawn = draw(known, SEED)
    passages = drawn.passages[:count] if count else drawn.passages
    return known, drawn, read(run, known, passages, drawn.control, SEED)


def test_pairs_are_never_compared_with_raw():
    compared = {(question.arm, question.control) for question in QUESTIONS} | set(CONTROLS)
    assert not {
        pair for pair in compared if set(pair) == {"pairs", "raw"} or set(pair) == {"unfiltered", "raw"}
    }
    assert ("pairs", "format_control") in compared and ("reading", "raw_exposures") in compared


def test_the_format_control_has_as_many_pairs_about_other_documents(write_run):
    known, drawn, material = material_of(write_run())
    made = arms.make(material, material.pairs, tuple(ARMS), SEED)
    chats = {arm: [row for row in rows if row.question] for arm, rows in made.rows.items()}
    assert len(chats["pairs"]) == len(chats["format_control"]) > 10
    assert {known.documents[row.passage] for row in chats["format_control"]} <= drawn.control
    assert {known.documents[row.passage] for row in chats["pairs"]}.isdisjoint(drawn.control)
    for arm in ("pairs", "format_control"):
        texts = [row for row in made.rows[arm] if not row.question]
        assert texts == made.rows["raw"]


def test_the_shuffled_arm_has_the_same_questions_and_answers_wrongly_assigned(write_run):
    _, _, material = material_of(write_run())
    made = arms.make(material, material.pairs, tuple(ARMS), SEED)
    right, shuffled = made.rows["pairs_alone"], made.rows["shuffled"]
    assert right == [row for row in made.rows["pairs"] if row.question]
    assert [(row.passage, row.question) for row in right] == [(row.passage, row.question) for row in shuffled]
    assert Counter(row.text for row in right) == Counter(row.text for row in shuffled)
    assert all(a.text != b.text for a, b in zip(right, shuffled, strict=True))


@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.integers(0, 3))
def test_shuffling_moves_every_answer_unless_one_is_given_to_more_than_half(answers, seed):
    pairs = [Pair(f"{n:02}", "p", "d", f"q{n}", answer) for n, answer in enumerate(answers)]
    shuffled = arms.shuffle(pairs, str(seed))
    assert [pair.question for pair in shuffled] == [pair.question for pair in pairs]
    assert Counter(pair.answer for pair in shuffled) == Counter(answers)
    moved = sum(a.answer != b.answer for a, b in zip(pairs, shuffled, strict=True))
    commonest = max(Counter(answers).values(), default=0)
    assert moved == min(len(answers), 2 * (len(answers) - commonest))


def test_no_arm_trains_a_validation_document(write_run):
    known, drawn, material = material_of(write_run())
    assert known.held_out == {"doc-25", "doc-26", "doc-27"}
    assert known.held_out.isdisjoint(known.documents[passage] for passage in drawn.passages)
    assert len(material.held_out) == 3


@pytest.mark.parametrize(("dropped", "is_run"), [(0, False), (4, False), (25, True)])
def test_the_unfiltered_arm_is_run_if_enough_pairs_were_dropped(write_run, dropped, is_run):
    _, _, material = material_of(write_run(dropped=dropped))
    made = arms.make(material, material.pairs, tuple(ARMS), SEED)
    assert ("unfiltered" in made.rows) == is_run
    if is_run:
        mixed = [row for row in made.rows["unfiltered"] if row.question]
        assert len(mixed) == sum(bool(row.question) for row in made.rows["pairs"])
        assert any(row.text == "nobody" for row in mixed)
    else:
        assert "filters dropped" in made.skipped["unfiltered"]


def test_arms_without_rows_are_skipped_with_a_reason(write_run):
    _, _, material = material_of(write_run(pairs=False))
    made = arms.make(material, material.pairs, tuple(ARMS), SEED)
    assert set(made.rows) == {"base", "raw", "raw_exposures", "reading"}
    assert set(made.skipped) == {"pairs", "format_control", "pairs_alone", "shuffled", "unfiltered"}
    _, _, material = material_of(write_run(texts=False))
    made = arms.make(material, material.pairs, tuple(ARMS), SEED)
    assert {"reading", "raw_exposures"} <= set(made.skipped)


ROWS = {
    "raw": [Row(f"p{n}", "x" * (30 + n)) for n in range(20)],
    "reading": [Row(f"p{n}", "y" * (70 + 3 * n)) for n in range(20)],
    "pairs": [
        *(Row(f"p{n}", "x" * (30 + n)) for n in range(20)),
        *(Row(f"p{n}", "no", f"q{n}") for n in range(9)),
    ],
}


@pytest.mark.parametrize("budget", [1, 500, 2_345, 6_000])
@pytest.mark.parametrize("arm", ROWS)
def test_arms_train_equal_tokens_within_one_row(arm, budget):
    rows = [tokens for row in ROWS[arm] for tokens in ENCODER.row(row)]
    order = sequence(rows, budget, 0)
    trained = sum(len(row.response) for row in order)
    assert budget <= trained < budget + max(len(row.response) for row in rows)
    assert [row for batch in batches(order, 100) for row in batch] == order
    assert all(sum(map(len, batch)) >= 100 for batch in batches(order, 100)[:-1])


def test_an_epoch_has_every_text_once_and_every_pair_twice():
    rows = [tokens for row in ROWS["pairs"] for tokens in ENCODER.row(row)]
    epoch = sum(len(row.response) * (2 if row.task == "pair" else 1) for row in rows)
    order = sequence(rows, epoch, 3)
    assert all(order.count(row) == (2 if row.task == "pair" else 1) for row in rows)
    pairs = [place for place, row in enumerate(order) if row.task == "pair"]
    assert sum(order[place] == order[place + 1] for place in pairs[:-1]) < 4  # the copies are not adjacent


def test_the_order_depends_only_on_the_seed():
    rows = [tokens for row in ROWS["raw"] for tokens in ENCODER.row(row)]
    assert sequence(rows, 900, 0) == sequence(rows, 900, 0) != sequence(rows, 900, 1)


def test_a_long_text_is_split_into_windows_that_train_each_token_once():
    text = "".join(chr(65 + n % 50) for n in range(1_500))
    windows = ENCODER.text(text, "p")
    assert len(windows) == 3 and all(len(window.response) <= 512 for window in windows)
    assert [token for window in windows for token in window.response] == [*map(ord, text[1:]), 1]
    assert all(a.response[-1:] == b.prompt for a, b in pairwise(windows))


def test_equal_exposures_are_reached_by_the_budget_of_raw():
    raw = [tokens for row in ROWS["raw"] for tokens in ENCODER.row(row)]
    twice = [*ROWS["reading"], *(Row(f"p{n}", "z" * 200) for n in range(10))]
    reading = [tokens for row in twice for tokens in ENCODER.row(row)]
    texts = {f"p{n}": 2 if n < 10 else 1 for n in range(20)}
    sizes = [{}, {}]
    for size, rows in zip(sizes, (raw, reading), strict=True):
        for row in rows:
            size[row.group] = size.get(row.group, 0) + len(row.response)
    budget = sum(sizes[1].values()) * 2
    seen = exposures(sequence(reading, budget, 0), reading, texts)
    assert seen["p0"] == pytest.approx(4) and seen["p19"] == pytest.approx(2)
    equal = arms.equal_exposures(budget, sizes[0], sizes[1], texts)
    again = exposures(sequence(raw, equal, 0), raw, dict.fromkeys(texts, 1))
    assert sum(again.values()) / 20 == pytest.approx(sum(seen.values()) / 20, abs=0.1)


def test_an_arm_brings_its_controls():
    assert with_controls(("pairs",)) == ("base", "pairs", "format_control")
    assert with_controls(("pairs_alone",)) == ("base", "pairs_alone", "shuffled")
    assert with_controls(("reading",)) == ("base", "raw", "reading")
    assert with_controls(("unfiltered",)) == ("base", "pairs", "format_control", "unfiltered")
    assert with_controls(("raw_exposures",)) == ("base", "raw", "raw_exposures", "reading")
    with pytest.raises(Exception, match="--arms"):
        settings_of("reading,everything")


def test_a_text_reaches_an_arm_as_the_hand_off_has_it(write_run):
    _, _, material = material_of(write_run())
    assert material.texts and all("Question: Where is the market" in text.text for text in material.texts)
    assert isinstance(material.texts[0], Text) and isinstance(material.pairs[0], Pair)
    assert isinstance(material, Material)
