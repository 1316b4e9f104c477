"""Long texts of several passages: the properties of M4LE, on a planted corpus."""

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
from datagen.stages.reading.long_spans.across import ABILITIES, HINTED, MINING, findings, wordings
from datagen.stages.reading.long_spans.related import Gathering
from datagen.stages.reading.long_spans.written import written_exercises
from datagen.stages.reading.mine.choice import exercises_of
from datagen.stages.reading.mine.language import read
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.render.exercises import Exercise
from datagen.stages.shared.similarity.inverted_index import Postings
from datagen.store.parquet import write_table
from tests.support.rows import context

SYLLABLES = ["ba", "ke", "li", "mo", "nu", "pa", "ri", "so", "te", "vu"]


def word(number):
    """Write a number as a word of no language."""
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


def test_m4le_each_exercise_names_its_prompt_and_the_row_its_domain():
    kept, _, _ = gathered(ROWS[:40], domain="bees", lengths=[400])
    assert kept and {json.loads(row["metadata"])["domain"] for row in kept} == {"bees"}
    assert {exercise["prompt"] for row in kept for exercise in listed(row)} == {"long_spans/en"}


def listed(row):
    """List the exercises of a text."""
    return json.loads(row["metadata"])["exercises"]


def gathered(rows, **options):
    table, settings = table_of(TABLES["passages"], rows), Options.model_validate(options)
    with tempfile.TemporaryDirectory() as folder:
        where = replace(context("long_spans"), output=Path(folder))
        (last,) = stage.run(Partitions([lambda names: table]), settings, where)
        outcome = stage.apply(table, last, settings, where)
    kept, dropped = outcome.kept.to_pylist(), outcome.dropped.to_pylist()
    parents = [parent for row in [*kept, *dropped] for parent in row["lineage"]["parents"]]
    assert sorted(parents) == sorted(row["id"] for row in rows)  # each in at most one text
    return kept, dropped, outcome.figures


ROWS = corpus()
LENGTHS = {"lengths": (400, 800, 1600, 3200)}
BY_ID = {row["id"]: row for row in ROWS}


@pytest.fixture(scope="module")
def long_texts():
    kept, dropped, figures = gathered(ROWS, **LENGTHS)
    assert len(kept) > 10
    assert {row["reason"] for row in dropped} <= {"no related passages"}
    return kept, figures


def test_m4le_each_gold_span_is_at_its_recorded_offsets(long_texts):
    for row in long_texts[0]:
        for exercise in listed(row):
            assert (
                exercise["gold_spans"]
                and exercise["question"] in row["text"]
                and exercise["answer"] in row["text"]
            )
            for span in exercise["gold_spans"]:
                assert row["text"][span["start"] : span["end"]] == BY_ID[span["id"]]["text"]


def test_m4le_lengths_are_evenly_bucketed(long_texts):
    sizes = [len(row["text"]) / 4 for row in long_texts[0]]  # including names and exercises
    buckets = Counter(min(length for length in LENGTHS["lengths"] if size <= length) for size in sizes)
    assert set(buckets) == set(LENGTHS["lengths"])
    assert max(buckets.values()) - min(buckets.values()) <= 2
    assert all(0.75 * bucket <= size for size in sizes for bucket in [min(b for b in buckets if size <= b)])


def test_m4le_all_five_abilities_are_asked_for(long_texts):
    asked = {exercise["ability"] for row in long_texts[0] for exercise in listed(row)}
    assert asked == {
        "explicit single",
        "semantic single",
        "explicit multiple",
        "semantic multiple",
        "global",
    }
    assert {exercise["task"] for row in long_texts[0] for exercise in listed(row)} == set(ABILITIES)
    for row in long_texts[0]:
        for exercise in listed(row):
            several = exercise["task"] in ("both", "terms", "mention", "order")
            assert len({span["id"] for span in exercise["gold_spans"]}) > several


def test_m4le_distractors_never_answer_the_question(long_texts):
    for row in long_texts[0]:
        inside = {parent: BY_ID[parent] for parent in row["lineage"]["parents"]}
        for exercise in listed(row):
            gold = [inside[span["id"]] for span in exercise["gold_spans"]]
            others = [other for other in inside.values() if other not in gold]
            match exercise["task"]:
                case "where":
                    assert exercise["answer"] == gold[0]["title"]
                    texts = [passage["text"] for passage in inside.values()]
                    lines = {line.strip() for text in texts for line in SENTENCE.findall(text)}
                    (quoted,) = (line for line in lines if line in exercise["question"])
                    assert quoted in gold[0]["text"]
                    assert not any(quoted in other["text"] for other in others)
                case "mention" | "count":
                    (groups,) = re.findall(r"“(\w+)”|Index entry: (\w+)", exercise["question"])
                    mentioned = "".join(groups)
                    assert all(re.search(rf"\b{mentioned}\b", g["text"], re.IGNORECASE) for g in gold)
                    form = re.compile(rf"\b{mentioned[:6]}", re.IGNORECASE)
                    assert not any(form.search(f"{other['title']} {other['text']}") for other in others)
                    names = "\n".join(g["title"] for g in gold)
                    assert exercise["answer"] == (names if exercise["task"] == "mention" else str(len(gold)))
                case "order":
                    assert exercise["answer"].split("\n") == [g["title"] for g in gold]
                    assert row["text"].index(gold[0]["text"]) < row["text"].index(gold[1]["text"])
                case "hinted":
                    assert gold[0]["title"] in exercise["question"]
                    assert not any(other["title"] in exercise["question"] for other in others)
                case "both" | "terms":
                    first, second = re.fullmatch(
                        r"1\. (.*)\n2\. (.*)", exercise["answer"], re.DOTALL
                    ).groups()
                    assert first != second


def findings_in(*texts, names=None, earlier=None):
    rows = [passage(n, text, title=names[n] if names else f"Part {word(n)}") for n, text in enumerate(texts)]
    templates = wordings(load("long_spans/en"))
    language = read(load(templates.mined)).only(HINTED)
    return findings(Gathering(rows, [row["title"] for row in rows]), templates, language, earlier or {}, 0)


HINTED_LANGUAGE = read(load(wordings(load("long_spans/en")).mined)).only(HINTED)
SWARM = "The term “swarm” means a cluster of bees that left its hive together with a queen."
BROOD = "The term “brood” includes eggs, larvae and pupae of any age in a hive of bees."


def test_terms_that_two_passages_define_are_not_asked_for():
    def tasks(*texts):
        return {finding.task for finding in findings_in(*texts)}

    assert "terms" in tasks(SWARM, BROOD)
    assert "terms" not in tasks(SWARM, BROOD, f"Elsewhere. {SWARM}")
    quoted = "In this part a “swarm” may also be any cluster that the keeper marks."
    assert "terms" not in tasks(SWARM, BROOD, quoted)


def test_a_sentence_in_two_passages_is_not_asked_for():
    twin = "A keeper of a strong hive should wait at the entrance of the hive until evening."

    def asked(other):
        everything = findings_in(f"{twin} {SWARM}", f"{BROOD}\n\n{other}")
        return [finding.question for finding in everything if finding.task == "where"]

    assert any(twin in question for question in asked(""))
    assert asked(twin.upper()) and not any(twin in question for question in asked(twin.upper()))


def test_m4le_a_passage_whose_name_is_part_of_another_name_is_not_named():
    names = ["Hives", "Hives in winter", "Frames"]
    everything = findings_in(
        SWARM, BROOD, "The term “nuc” means a small colony of bees in a box with few frames.", names=names
    )
    hinted = {finding.gold for finding in everything if finding.task == "hinted"}
    assert hinted == {(1,), (2,)}
    assert {finding.gold for finding in everything if finding.task == "both"} <= {(1, 2)}


def test_m4le_words_of_nearly_all_passages_are_not_asked_for():
    texts = [f"Fumigation of hive {word(n)} is a duty of its keeper." for n in range(4)]
    for rare, expected in ((texts, False), ([*texts[:2], "Nothing is done.", "None is here."], True)):
        asked = [finding.question for finding in findings_in(*rare) if finding.task in ("mention", "count")]
        assert any("umigation" in question for question in asked) == expected


def test_m4le_an_exercise_about_a_named_passage_has_its_own_answer():
    """Two facts of one passage cannot be told apart by their passage."""
    facts = {
        exercise.question: exercise.answer
        for exercise in exercises_of(passage(0, f"{SWARM} {BROOD}"), HINTED_LANGUAGE, frozenset(), MINING, 0)[
            0
        ]
    }
    hinted = [finding for finding in findings_in(f"{SWARM} {BROOD}", SWARM) if finding.gold == (0,)]
    hinted = [finding for finding in hinted if finding.task == "hinted"]
    assert len(hinted) == len(facts) >= 2
    for finding in hinted:
        (answer,) = {answer for question, answer in facts.items() if question in finding.question}
        assert finding.answer == answer


def test_a_word_with_other_forms_in_other_passages_is_not_asked_for():
    texts = [
        "Fumigation of hives is a duty.",
        "The fumigation is done in May.",
        "Nothing is to be done here.",
    ]

    def is_asked_for():
        findings_of_task = [
            finding for finding in findings_in(*texts) if finding.task in ("mention", "count")
        ]
        return any("umigation" in finding.question for finding in findings_of_task)

    assert is_asked_for()
    texts[2] = "Nothing is fumigated here."
    assert not is_asked_for()


def test_related_passages_share_rare_words_the_most_similar_first():
    texts = ["varroa thymol hive", "varroa thymol bees", "varroa hive bees", "nothing at all"]
    commons = [f"hive bees {word(n)}" for n in range(20)]
    postings = Postings(dict.fromkeys([*texts, *commons], Language()))
    assert postings.related(texts[0]) == [texts[1], texts[2]]
    assert postings.related(texts[3]) == []


def test_passages_of_a_document_or_with_a_rare_word_come_before_others():
    shares = {}
    for across in (1e-9, 1):
        kept, _, _ = gathered(ROWS, lengths=[400], across_documents=across)
        texts = [[BY_ID[parent] for parent in row["lineage"]["parents"]] for row in kept]
        same = [len({row["document_id"] for row in text}) < len(text) for text in texts]
        alike = [len({row["index"] // 3 for row in text}) < len(text) for text in texts]
        shares[across] = sum(same) / len(same), sum(alike) / len(alike)
    assert shares[1e-9][0] > 0.7 and shares[1][1] > 0.7


def test_no_text_spans_documents_if_the_option_is_zero():
    kept, _, _ = gathered(ROWS, lengths=[300, 400], across_documents=0)
    assert len(kept) > 20
    for row in kept:
        assert len({BY_ID[parent]["document_id"] for parent in row["lineage"]["parents"]}) == 1


def test_passages_are_verbatim_and_the_account_balances(long_texts):
    kept, figures = long_texts
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


@pytest.mark.slow
def test_texts_are_drawn_until_the_token_target_is_reached(blanks):
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


def test_a_share_drops_whole_documents():
    kept, dropped, _ = gathered(ROWS, share=0.5, **LENGTHS)
    outside = {row["lineage"]["document_id"] for row in dropped if row["reason"] == "outside the sample"}
    used = {BY_ID[parent]["document_id"] for row in kept for parent in row["lineage"]["parents"]}
    assert 10 < len(outside) < 30 and outside.isdisjoint(used)


def test_too_few_passages_are_dropped():
    _, dropped, _ = gathered(ROWS[:2])
    assert [row["reason"] for row in dropped] == ["no related passages"] * 2


def test_each_language_has_its_own_file():
    german = [row | {"language": "de"} for row in ROWS]
    kept, _, _ = gathered(german, **LENGTHS)
    assert kept and not any(" texts " in exercise["question"] for row in kept for exercise in listed(row))
    assert {row["lineage"]["prompt"] for row in kept} == {"long_spans/de"}
    english, german = load("long_spans/en").fields, load("long_spans/de").fields
    assert english.keys() == german.keys()


def test_each_text_has_one_language_and_unsupported_languages_are_dropped():
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


def test_a_text_with_names_and_exercises_is_within_its_target_length(blanks):
    for options, length in (
        ({}, lambda text: len(text) / 4),
        ({"tokenizer": blanks}, lambda t: len(t.split())),
    ):
        kept, _, _ = gathered(ROWS, **LENGTHS, **options)
        sizes = [length(row["text"]) for row in kept]
        assert len(kept) > 4 and max(sizes) <= 3200
        for bucket in (400, 800, 1600, 3200):
            assert any(0.75 * bucket <= size <= bucket for size in sizes)


WORDS = re.compile(r"\b(?:ba|ke|li|mo|nu|pa|ri|so|te|vu){5}")  # what `word` writes


def test_m4le_each_answer_belongs_to_its_question(long_texts):
    """Each planted passage has its own words, so a swapped answer would have the words of another."""
    counted = Counter()
    for row in long_texts[0]:
        for exercise in listed(row):
            sources = [BY_ID[span["id"]] for span in exercise["gold_spans"]]
            names = [source["title"].removeprefix("Hive ") for source in sources]
            own = [{word(source["index"]), word(source["index"] // 3)} for source in sources]
            if exercise["task"] == "hinted":
                assert names[0] in exercise["question"] and set(WORDS.findall(exercise["answer"])) <= own[0]
            elif exercise["task"] in ("both", "terms"):
                answers = re.fullmatch(r"1\. (.*)\n2\. (.*)", exercise["answer"], re.DOTALL).groups()
                for answer, words in zip(answers, own, strict=True):
                    assert set(WORDS.findall(answer)) <= words
                asked = [exercise["question"].index(name) for name in names]
                assert asked == sorted(asked)
            else:
                continue
            counted[exercise["task"]] += bool(WORDS.search(exercise["answer"]))
    assert min(counted[task] for task in ("hinted", "both", "terms")) > 3


def test_m4le_exercises_that_a_model_wrote_are_used(tmp_path):
    def example(kind, number, model="m", **fields):
        origin = {"passage_id": ROWS[number]["id"], "model": model, "requests": [], "parents": []}
        return {"id": f"{kind}{number}", "kind": kind, "lineage": origin} | fields

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
    where = replace(context("long_spans"), output=tmp_path, tables={"examples": [folder]})
    table = table_of(TABLES["passages"], ROWS)
    for enabled in (False, True):
        outcome = stage.apply(table, 1.0, Options(written=enabled, per_task=3, **LENGTHS), where)
        exercises = [exercise for row in outcome.kept.to_pylist() for exercise in listed(row)]
        questions = [exercise["question"] for exercise in exercises]
        assert not any("Who mined" in question or "refuses" in question for question in questions)
        assert any("What is listed?" in question for question in questions) == enabled
        hinted = [exercise for exercise in exercises if exercise["task"] == "hinted"]
        written = [exercise for exercise in hinted if "Who is asked" in exercise["question"]]
        assert bool(written) == enabled
        for exercise in written:
            (span,) = exercise["gold_spans"]
            name = BY_ID[span["id"]]["title"].removeprefix("Hive ")
            assert exercise["question"].count(name) == 2 and exercise["answer"] == f"Keeper {name}."


def test_m4le_only_exercises_of_a_model_about_these_passages_are_read(tmp_path):
    def example(kind, number, model="m", question="", answer="It is.", **fields):
        origin = {"passage_id": ROWS[number]["id"], "model": model, "requests": [], "parents": []}
        row = {"id": f"{kind}{number}{question}", "kind": kind, "task": "qa", "lineage": origin}
        return row | {"question": question, "answer": answer} | fields

    listed_ones = json.dumps({"exercises": [{"task": "terms", "question": "Listed?", "answer": "Yes."}]})
    rows = [
        example("instruction", 0, question="Written?"),
        example("instruction", 0, model="", question="Mined?"),
        example("refusal", 0, question="Refused?"),
        example("preference", 0, question="Preferred?", metadata=listed_ones.replace("Listed", "Rejected")),
        example("reading", 1, question=None, metadata=listed_ones),
        example("reading", 1, model="", question=None, metadata=listed_ones.replace("Listed", "Mined")),
        example("instruction", 2, question="Elsewhere?"),
    ]
    folder = tmp_path / "instruct"
    folder.mkdir()
    write_table(table_of(TABLES["examples"], rows), folder / "part-00000.parquet")
    where = replace(context("long_spans"), tables={"examples": [folder]})
    found = written_exercises(table_of(TABLES["passages"], ROWS[:2])["id"], where)
    assert {
        name: [(e.task, e.question, e.answer) for e in exercises] for name, exercises in found.items()
    } == {
        ROWS[0]["id"]: [("qa", "Written?", "It is.")],
        ROWS[1]["id"]: [("terms", "Listed?", "Yes.")],
    }


def test_m4le_written_exercises_replace_mined_ones_of_their_passage():
    earlier = {content_id("0"): [Exercise("qa", "Who leaves the hive?", "A swarm.")]}
    everything = findings_in(SWARM, BROOD, earlier=earlier)
    hinted = [finding for finding in everything if finding.task == "hinted" and finding.gold == (0,)]
    assert [finding.answer for finding in hinted] == ["A swarm."]
    assert any(finding.task == "hinted" and finding.gold == (1,) for finding in everything)


@pytest.mark.parametrize(("change", "message"), [({"count": None}, "count"), ({"sum": []}, "sum")])
def test_an_invalid_file_of_wordings_is_reported(tmp_path, change, message):
    (tmp_path / "long_spans").mkdir()
    fields = load("long_spans/en").fields | change
    (tmp_path / "long_spans" / "xx.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        stage.apply(
            table_of(TABLES["passages"], [row | {"language": "xx"} for row in ROWS[:3]]),
            1.0,
            Options(),
            context("long_spans", prompts=str(tmp_path)),
        )
