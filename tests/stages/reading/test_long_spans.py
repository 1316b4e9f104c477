"""Long texts of several passages: what the contract of M4LE asks, on a planted corpus."""

import json
import re
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from datagen.errors import UserError
from datagen.prompt import load
from datagen.schema import TABLES, content_id, table_of
from datagen.stage import Partitions
from datagen.stages.reading.long_spans import Options, stage
from datagen.stages.reading.long_spans.across import ABILITIES, HINTED, findings, wordings
from datagen.stages.reading.long_spans.related import Gathering
from datagen.stages.reading.mine.language import read
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity.inverted_index import Postings
from datagen.store.parquet import write_table
from tests.support.rows import context

SYLLABLES = ["ba", "ke", "li", "mo", "nu", "pa", "ri", "so", "te", "vu"]


def word(number):
    """Write a number as a word that no language has."""
    return "".join(SYLLABLES[int(digit)] for digit in f"{number * 7919 % 99991:05d}")


SENTENCE = re.compile(r"[^.\n]+\.")


def passage(number, text, title=None, document=None):
    row = {"document_id": document or f"d{number}", "source": "s", "title": title or f"Hive {word(number)}"}
    return row | {
        "id": content_id(str(number)),
        "section": [],
        "text": text,
        "start": 0,
        "end": len(text),
        "index": number,
        "language": "en",
    }


def corpus(count=160):
    """Passages of about 400 characters, four to a document; neighbours of neighbours share a word."""
    rows = []
    for n in range(count):
        text = (
            f"The term “{word(n)} swarm” means a cluster of bees that left the hive of keeper {word(n)} in May. "
            f"The keeper {word(n)} must feed the colony because the {word(n // 3)}weather was cold and wet in spring.\n\n"
            f"If the queen {word(n)} is lost, keeper {word(n)} should wait at the entrance until the evening. "
            f"The drones of {word(n)} gather nothing for their hive in any of the warm months.\n\n"
            f"Registrations of the apiary are renewed in year {n}."
        )
        rows.append(passage(n, text, document=f"d{n // 4}"))
    return rows


def listed(row):
    """List the exercises of a text."""
    return json.loads(row["metadata"])["exercises"]


def gathered(rows, **options):
    table, chosen = table_of(TABLES["passages"], rows), Options.model_validate(options)
    with tempfile.TemporaryDirectory() as folder:
        told = replace(context("long_spans"), output=Path(folder))
        (last,) = stage.run(Partitions([lambda names: table]), chosen, told)
        outcome = stage.apply(table, last, chosen, told)
    kept, dropped = outcome.kept.to_pylist(), outcome.dropped.to_pylist()
    parents = [parent for row in [*kept, *dropped] for parent in row["lineage"]["parents"]]
    assert sorted(parents) == sorted(row["id"] for row in rows)  # each in one text at most
    return kept, dropped, outcome.figures


ROWS = corpus()
LENGTHS = {"lengths": (400, 800, 1600, 3200)}
BY_ID = {row["id"]: row for row in ROWS}


@pytest.fixture(scope="module")
def made():
    kept, dropped, figures = gathered(ROWS, **LENGTHS)
    assert len(kept) > 10
    assert {row["reason"] for row in dropped} <= {"nothing to gather with"}
    return kept, figures


def test_m4le_each_gold_span_is_found_at_its_recorded_offsets(made):
    for row in made[0]:
        for one in listed(row):
            assert one["gold_spans"] and one["question"] in row["text"] and one["answer"] in row["text"]
            for span in one["gold_spans"]:
                assert row["text"][span["start"] : span["end"]] == BY_ID[span["id"]]["text"]


def test_m4le_lengths_are_evenly_bucketed(made):
    sizes = [len(row["text"]) / 4 for row in made[0]]  # names and exercises among it
    buckets = Counter(min(length for length in LENGTHS["lengths"] if size <= length) for size in sizes)
    assert set(buckets) == set(LENGTHS["lengths"])
    assert max(buckets.values()) - min(buckets.values()) <= 2
    assert all(0.75 * bucket <= size for size in sizes for bucket in [min(b for b in buckets if size <= b)])


def test_m4le_all_five_abilities_are_asked_for(made):
    asked = {one["ability"] for row in made[0] for one in listed(row)}
    assert asked == {
        "explicit single",
        "semantic single",
        "explicit multiple",
        "semantic multiple",
        "global",
    }
    assert {one["task"] for row in made[0] for one in listed(row)} == set(ABILITIES)
    for row in made[0]:
        for one in listed(row):
            several = one["task"] in ("both", "terms", "mention", "order")
            assert len({span["id"] for span in one["gold_spans"]}) > several


def test_m4le_distractors_never_answer_the_question(made):
    for row in made[0]:
        inside = {parent: BY_ID[parent] for parent in row["lineage"]["parents"]}
        for one in listed(row):
            gold = [inside[span["id"]] for span in one["gold_spans"]]
            others = [other for other in inside.values() if other not in gold]
            match one["task"]:
                case "where":
                    assert one["answer"] == gold[0]["title"]
                    lines = {
                        said.strip() for each in inside.values() for said in SENTENCE.findall(each["text"])
                    }
                    (quoted,) = (line for line in lines if line in one["question"])
                    assert quoted in gold[0]["text"]
                    assert not any(quoted in other["text"] for other in others)
                case "mention" | "count":
                    (held,) = re.findall(r"“(\w+)”|Index entry: (\w+)", one["question"])
                    held = "".join(held)
                    assert all(re.search(rf"\b{held}\b", g["text"], re.IGNORECASE) for g in gold)
                    form = re.compile(rf"\b{held[:6]}", re.IGNORECASE)
                    assert not any(form.search(f"{other['title']} {other['text']}") for other in others)
                    names = "\n".join(g["title"] for g in gold)
                    assert one["answer"] == (names if one["task"] == "mention" else str(len(gold)))
                case "order":
                    assert one["answer"].split("\n") == [g["title"] for g in gold]
                    assert row["text"].index(gold[0]["text"]) < row["text"].index(gold[1]["text"])
                case "hinted":
                    assert gold[0]["title"] in one["question"]
                    assert not any(other["title"] in one["question"] for other in others)
                case "both" | "terms":
                    first, second = re.fullmatch(r"1\. (.*)\n2\. (.*)", one["answer"], re.DOTALL).groups()
                    assert first != second


def two(first, second, *others):
    rows = [passage(n, text, title=f"Part {word(n)}") for n, text in enumerate((first, second, *others))]
    known = wordings(load("long_spans/en"))
    language = read(load(known.mined)).only(HINTED)
    return findings(Gathering(rows, [row["title"] for row in rows]), known, language, {}, 0)


SWARM = "The term “swarm” means a cluster of bees that left its hive together with a queen."
BROOD = "The term “brood” includes eggs, larvae and pupae of any age in a hive of bees."


def test_terms_that_two_passages_define_are_not_asked_for():
    assert any(one.task == "terms" for one in two(SWARM, BROOD))
    assert not any(one.task == "terms" for one in two(SWARM, BROOD, f"Elsewhere. {SWARM}"))
    quoted = "In this part a “swarm” may also be any cluster that the keeper marks."
    assert not any(one.task == "terms" for one in two(SWARM, BROOD, quoted))


def test_a_sentence_that_stands_in_two_passages_is_not_looked_for():
    twin = "The keeper of a strong hive waits at the entrance of it until the evening."
    asked = [one for one in two(f"{twin} {SWARM}", f"{BROOD}\n\n{twin.upper()}") if one.task == "where"]
    assert asked and not any(twin in one.question for one in asked)


def test_a_word_whose_other_forms_stand_elsewhere_is_not_asked_for():
    texts = [
        "Fumigation of hives is a duty.",
        "The fumigation is done in May.",
        "Nothing is to be done here.",
    ]
    words = {"mention", "count"}
    assert any("umigation" in one.question for one in two(*texts) if one.task in words)
    texts[2] = "Nothing is fumigated here."
    assert not any("umigation" in one.question for one in two(*texts) if one.task in words)


def test_related_passages_share_rare_words_the_nearest_first():
    texts = ["varroa thymol hive", "varroa thymol bees", "varroa hive bees", "nothing at all"]
    commons = [f"hive bees {word(n)}" for n in range(20)]
    postings = Postings(dict.fromkeys([*texts, *commons], Language()))
    assert postings.related(texts[0]) == [texts[1], texts[2]]
    assert postings.related(texts[3]) == []


def test_passages_of_a_document_or_with_a_rare_word_come_before_others():
    shares = {}
    for across in (1e-9, 1):
        kept, _, _ = gathered(ROWS, lengths=[400], across_documents=across)
        first = [[BY_ID[one] for one in row["lineage"]["parents"]] for row in kept]
        same = [len({row["document_id"] for row in text}) < len(text) for text in first]
        alike = [len({row["index"] // 3 for row in text}) < len(text) for text in first]
        shares[across] = sum(same) / len(same), sum(alike) / len(alike)
    assert shares[1e-9][0] > 0.7 and shares[1][1] > 0.7


def test_no_text_spans_documents_where_the_option_says_so():
    kept, _, _ = gathered(ROWS, lengths=[300, 400], across_documents=0)
    assert len(kept) > 20
    for row in kept:
        assert len({BY_ID[one]["document_id"] for one in row["lineage"]["parents"]}) == 1


def test_passages_stand_verbatim_below_their_names_and_the_account_holds(made):
    kept, figures = made
    for row in kept:
        for parent in row["lineage"]["parents"]:
            assert row["text"].count(BY_ID[parent]["text"]) == 1
        assert (row["kind"], row["task"]) == ("reading", "long_span")
        assert row["lineage"]["prompt"] == "long_spans/en"
    parents = [parent for row in kept for parent in row["lineage"]["parents"]]
    assert figures == {
        "passage_characters": sum(len(row["text"]) for row in ROWS),
        "bound_characters": sum(len(BY_ID[parent]["text"]) for parent in parents),
        "text_characters": sum(len(row["text"]) for row in kept),
    }
    assert kept == gathered(ROWS, **LENGTHS)[0]


def test_texts_are_taken_by_lot_until_the_target_of_tokens_is_reached(blanks):
    options = LENGTHS | {"tokenizer": blanks}
    every, none, figures = gathered(ROWS, **options)
    target = figures["text_tokens"] // 2
    kept, dropped, half = gathered(ROWS, max_total_tokens=target, **options)
    longest = max(len(row["text"].split()) for row in every)
    assert target - longest < half["text_tokens"] <= target
    texts = {row["text"] for row in every}
    assert {row["text"] for row in kept} < texts
    assert len(dropped) - len(none) == sum(row["reason"] == "over the token target" for row in dropped)
    more = gathered(ROWS, max_total_tokens=figures["text_tokens"] * 3 // 4, **options)[0]
    assert {row["text"] for row in kept} < {row["text"] for row in more}
    with pytest.raises(ValueError, match="needs a tokenizer"):
        Options(max_total_tokens=1)


def test_a_share_leaves_whole_documents_out():
    _, dropped, _ = gathered(ROWS, share=0.5, **LENGTHS)
    out = {row["lineage"]["document_id"] for row in dropped if row["reason"] == "outside the sample"}
    left = {row["document_id"] for row in ROWS if row["document_id"] not in out}
    assert 10 < len(out) < 30 and out.isdisjoint(left)


def test_few_passages_are_not_gathered():
    _, dropped, _ = gathered(ROWS[:2])
    assert [row["reason"] for row in dropped] == ["nothing to gather with"] * 2


def test_another_language_is_another_file():
    german = [row | {"language": "de"} for row in ROWS]
    kept, _, _ = gathered(german, **LENGTHS)
    assert kept and not any(" texts " in one["question"] for row in kept for one in listed(row))
    assert {row["lineage"]["prompt"] for row in kept} == {"long_spans/de"}
    english, german = load("long_spans/en").fields, load("long_spans/de").fields
    assert english.keys() == german.keys()


def test_each_text_is_of_one_language_and_others_say_that_they_have_no_wordings():
    codes = ["en", "de", "tlh"]
    rows = [row | {"language": codes[number % 3]} for number, row in enumerate(ROWS)]
    kept, dropped, _ = gathered(rows, **LENGTHS)
    language = {row["id"]: row["language"] for row in rows}
    assert {row["lineage"]["prompt"] for row in kept} == {"long_spans/en", "long_spans/de"}
    for row in kept:
        (code,) = {language[parent] for parent in row["lineage"]["parents"]}
        assert row["lineage"]["prompt"] == f"long_spans/{code}"
    foreign = [row for row in dropped if language[row["lineage"]["passage_id"]] == "tlh"]
    assert {(row["reason"], row["detail"]) for row in foreign} == {("no wordings for its language", "tlh")}


def test_a_text_with_its_names_and_exercises_is_not_longer_than_its_length(blanks):
    for options, length in (
        ({}, lambda text: len(text) / 4),
        ({"tokenizer": blanks}, lambda t: len(t.split())),
    ):
        kept, _, _ = gathered(ROWS, **LENGTHS, **options)
        sizes = [length(row["text"]) for row in kept]
        assert len(kept) > 4 and max(sizes) <= 3200
        for bucket in (400, 800, 1600, 3200):
            assert any(0.75 * bucket <= size <= bucket for size in sizes)


SAID = re.compile(r"\b(?:ba|ke|li|mo|nu|pa|ri|so|te|vu){5}")  # what `word` writes


def test_m4le_each_answer_is_that_of_its_question(made):
    """Each sentence of a planted passage has its words: an answer swapped with another's has others."""
    counted = Counter()
    for row in made[0]:
        for one in listed(row):
            sides = [BY_ID[span["id"]] for span in one["gold_spans"]]
            names = [side["title"].removeprefix("Hive ") for side in sides]
            own = [{word(side["index"]), word(side["index"] // 3)} for side in sides]
            if one["task"] == "hinted":
                assert names[0] in one["question"] and set(SAID.findall(one["answer"])) <= own[0]
            elif one["task"] in ("both", "terms"):
                answers = re.fullmatch(r"1\. (.*)\n2\. (.*)", one["answer"], re.DOTALL).groups()
                for answer, words in zip(answers, own, strict=True):
                    assert set(SAID.findall(answer)) <= words
                asked = [one["question"].index(name) for name in names]
                assert asked == sorted(asked)
            else:
                continue
            counted[one["task"]] += bool(SAID.search(one["answer"]))
    assert min(counted[task] for task in ("hinted", "both", "terms")) > 3


def test_m4le_exercises_that_a_model_wrote_are_made_long(tmp_path):
    def example(kind, number, model="m", **fields):
        traced = {"passage_id": ROWS[number]["id"], "model": model, "requests": [], "parents": []}
        return {"id": f"{kind}{number}", "kind": kind, "lineage": traced} | fields

    metadata = {"exercises": [{"task": "qa", "question": "What is listed?", "answer": "This one."}]}
    rows = [example("reading", n, task="t", metadata=json.dumps(metadata)) for n in range(80, 120)]
    for n in range(80):
        asked = {"question": f"Who is asked about {word(n)}?", "answer": f"Keeper {word(n)}."}
        rows.append(example("instruction", n, task="qa", **asked))
    rows.append(example("instruction", 130, "", task="qa", question="Who mined this?", answer="Nobody."))
    rows.append(example("refusal", 131, task="qa", question="Who refuses?", answer="I do not know."))
    folder = tmp_path / "instruct"
    folder.mkdir()
    write_table(table_of(TABLES["examples"], rows), folder / "part-00000.parquet")
    told = replace(context("long_spans"), output=tmp_path, tables={"examples": [folder]})
    table = table_of(TABLES["passages"], ROWS)
    for wanted in (False, True):
        outcome = stage.apply(table, 1.0, Options(written=wanted, per_task=3, **LENGTHS), told)
        entries = [one for row in outcome.kept.to_pylist() for one in listed(row)]
        found = [one for one in entries if one["task"] == "hinted" and "Who is asked" in one["question"]]
        assert bool(found) == wanted
        assert not any("Who mined" in one["question"] or "refuses" in one["question"] for one in entries)
        assert any("What is listed?" in one["question"] for one in entries) == wanted
        for one in found:
            (span,) = one["gold_spans"]
            name = BY_ID[span["id"]]["title"].removeprefix("Hive ")
            assert one["question"].count(name) == 2 and one["answer"] == f"Keeper {name}."


@pytest.mark.parametrize(("change", "said"), [({"count": None}, "count"), ({"sum": []}, "sum")])
def test_a_wrong_file_of_wordings_is_told(tmp_path, change, said):
    (tmp_path / "long_spans").mkdir()
    fields = load("long_spans/en").fields | change
    (tmp_path / "long_spans" / "xx.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        stage.apply(
            table_of(TABLES["passages"], [row | {"language": "xx"} for row in ROWS[:3]]),
            1.0,
            Options(),
            context("long_spans", prompts=str(tmp_path)),
        )
