"""Items: not trained, with trained distractors of the same kind, and marked as seen or unseen."""

from dataclasses import replace

import pytest

from datagen.evaluate.prove import arms, items
from datagen.evaluate.prove.material import Pair, Text, read, survey
from datagen.evaluate.prove.plan import draw
from datagen.stages.handoff.mix.choices import shape
from datagen.stages.handoff.mix.mentions import same

SEED = "0"


@pytest.fixture
def material(write_run):
    run = write_run()
    known = survey(run)
    drawn = draw(known, SEED)
    return read(run, known, drawn.passages, drawn.control, SEED)


def made(material, held=(), facts=(), trained=(), texts=()):
    return items.make(items.Rules(SEED), material, held, facts, trained, texts, SEED)


def test_distractors_are_wrong_of_the_same_form_and_occur_in_trained_passages(material):
    made_items, _ = made(material, material.tests)
    trained = " ".join(row["text"] for row in material.passages.values())
    assert {item.family for item in made_items} == {"cloze", "reworded", "question"}
    assert len(made_items) > 3 * len(material.passages)
    for item in made_items:
        right, *others = item.choices
        assert len(others) == 3 and len({same(choice) for choice in item.choices}) == 4
        for other in others:
            assert other in trained
            assert shape(other) == shape(right) and other[0].isupper() == right[0].isupper()
            assert same(other) not in same(right) and same(right) not in same(other)
            assert same(other) not in same(item.ask) and same(other) not in same(item.sentence)
            assert abs(len(other.split()) - len(right.split())) <= 1


def test_a_cloze_item_is_a_sentence_of_its_passage_up_to_the_answer(material):
    made_items, _ = made(material)
    for item in made_items:
        if item.family == "cloze":
            assert f"{item.ask}{item.answer}" in material.passages[item.passage]["text"]


def test_a_mark_before_the_gap_is_kept_and_its_distractors_are_marked():
    from datagen.evaluate.prove.material import Material

    names = ("read()", "write()", "close()", "flush()", "sort()", "pop()")
    text = " ".join(
        f'A file that is open is ended by a call to the method "{name}" at any time.' for name in names
    )
    row = {"id": "p", "document_id": "d", "text": text, "title": "", "section": [], "language": "en"}
    made_items, _ = made(Material(passages={"p": row}))
    marked = [item for item in made_items if item.kind.startswith("marked") and item.answer in names]
    assert marked and all(item.ask.endswith('"') for item in marked)
    assert all(set(item.choices) <= {*names, *(name[:-2] for name in names)} for item in marked)


def test_no_distractor_contains_another_choice_and_kind_takes_precedence_over_form():
    def item(answer, kind="object"):
        ask = "At the noon bell they pay "
        return items.Item(answer, "cloze", "p", ask, (answer,), f"{ask}{answer} to the head clerk.", kind)

    nested = ["late fine", "the late fine", "road toll", "a road toll", "harbour due", "the harbour due"]
    never = [
        "annual fee",
        "the annual fee",
        "noon bell",
        "head clerk",
        "Road toll",
        "7 bells",
        "the due of a large port",
    ]
    pools = items.pools([item(answer) for answer in nested + never] + [item("land tax", "term")])
    for seed in map(str, range(20)):
        drawn = items.distractors(item("annual fee"), pools, seed)
        assert len(drawn) == 3 and not set(drawn) & set(never)
        assert not any(a in b for a in drawn for b in drawn if a != b)
        assert items.distractors(item("annual fee", "term"), pools, seed)[0] == "land tax"


@pytest.mark.parametrize("as_", ["pair", "other words", "text", "case"])
def test_a_question_that_any_arm_trains_is_removed(material, as_):
    test = material.tests[0]
    before, _ = made(material, [test])
    assert any(item.ask == test.question for item in before)
    trained, texts = [], []
    if as_ == "pair":
        trained = [replace(test, id="other", passage="elsewhere", answer="x")]
    elif as_ == "other words":  # the same content words
        trained = [
            replace(test, question="When did the masons of the tower mend it of " + test.question[-9:])
        ]
        trained = [replace(test, question=" ".join(["Then", *test.question.split()]))]
    elif as_ == "text":
        texts = [f"Some words. {test.question} Some more."]
    else:
        trained = [replace(test, question=test.question.upper())]
    after, left = made(material, [test], trained=trained, texts=texts)
    assert all(item.ask != test.question for item in after)
    assert sum(count for why, count in left.items() if why.startswith("question")) >= 1


def test_an_answer_that_is_not_in_the_passage_is_removed(material):
    wrong = replace(material.tests[0], answer="a golden spire")
    made_items, left = made(material, [wrong])
    assert left["answer is not in its passage"] == 1
    assert all(item.answer != "a golden spire" for item in made_items)


def test_facts_of_trained_pairs_about_the_same_passage_are_seen(material):
    pair = next(pair for pair in material.pairs if pair.question.startswith("When was the bridge"))
    made_items, _ = made(material, facts=[pair], trained=[pair])
    seen = [item for item in made_items if item.seen]
    assert seen and all(item.passage == pair.passage for item in seen)
    assert all("was built in" in item.sentence for item in seen)
    assert any(not item.seen and item.passage == pair.passage for item in made_items)


def test_a_fact_in_many_passages_is_seen_only_in_the_passage_of_the_pair(material):
    first = min(material.passages)
    fact = Pair("x", first, "d", "Where is trade?", "the western square")  # the answer occurs in all passages
    made_items, _ = made(material, facts=[fact])
    about = [item for item in made_items if item.answer == "the western square"]
    assert len({item.passage for item in about}) > 3
    assert {item.passage for item in about if item.seen} == {first}


def test_a_shuffled_answer_does_not_change_which_facts_are_seen(write_run):
    sets = []
    for poison in (False, True):
        run = write_run(poison=poison)
        known = survey(run)
        drawn = draw(known, SEED)
        mine = read(run, known, drawn.passages, drawn.control, SEED)
        trained, _ = items.held_back(mine.pairs, 0.3, SEED)
        made_items, _ = made(mine, facts=trained, trained=trained)
        sets.append((mine, {item.id for item in made_items if item.seen}))
    (right, seen), (wrong, seen_too) = sets
    assert [pair.question for pair in right.pairs] == [pair.question for pair in wrong.pairs]
    assert (
        sum(a.answer != b.answer for a, b in zip(right.pairs, wrong.pairs, strict=True))
        > len(right.pairs) / 2
    )
    assert len(seen & seen_too) > 0.9 * len(seen)


def test_the_same_run_gives_the_same_items(material):
    assert made(material, material.tests) == made(material, material.tests)


def test_texts_with_a_held_out_question_are_removed_if_the_passage_has_others():
    held_out = [Pair("1", "p", "d", "What is left?", "this"), Pair("2", "q", "d", "What is right?", "that")]
    texts = [
        Text("a", "p", "A text. What is LEFT? This."),
        Text("b", "p", "A text."),
        Text("c", "q", "Only here: what is right? That."),
    ]
    assert [text.id for text in arms.exclude_questions(texts, held_out)] == ["b", "c"]


def test_questions_are_held_out_by_their_words_only():
    pairs = [Pair(str(n), "p", "d", f"What is number {n % 40}?", str(n)) for n in range(80)]
    trained, held = items.held_back(pairs, 0.5, SEED)
    assert {pair.question for pair in trained}.isdisjoint(pair.question for pair in held)
    assert 10 < len(held) < 70
