"""Topics across documents: the taxonomy of StructTuning, from the words that headings share."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from datagen.schema import TABLES, content_id, table_of
from datagen.stage import Partitions
from datagen.stages.reading.mine import Options as Mining
from datagen.stages.reading.mine import stage as mine
from datagen.stages.reading.outline_pairs import stage as outline_pairs
from datagen.stages.sources.taxonomy import Options, stage
from tests.support.rows import context

SWARM = "The term “swarm” means a cluster of bees that left its hive together with a queen."
TEXT = f"Nobody hears it. {SWARM}"
TITLES = [
    "1. Leases of Land",
    "The Lease of a Boat",
    "Lease and Notice",
    "Hive Inspection",
    "Inspecting the Hives",
    "Painted hives",
    "Solitude",
    "The tide tables",
]


def passage(number, title, section=(), text=TEXT, language="en"):
    row = {"document_id": f"d {title}", "source": "s", "title": title, "section": list(section), "text": text}
    row |= {"start": 0, "end": len(text), "index": number, "language": language}
    return row | {"id": content_id(title, str(number), text)}


CORPUS = [passage(number, title) for title in TITLES for number in range(2)]


def topics(rows, folder, size=100, **options):
    """Run the stage in partitions; return the rows, and the topics of each document."""
    tables = [table_of(TABLES["passages"], rows[at : at + size]) for at in range(0, len(rows), size)]
    readers = [lambda names, table=table: table.select(names) if names else table for table in tables]
    chosen, where = Options(**options), replace(context("taxonomy"), output=folder)
    verdicts = list(stage.run(Partitions(readers), chosen, where))
    outcomes = [stage.apply(table, v, chosen, where) for table, v in zip(tables, verdicts, strict=True)]
    kept = [row for outcome in outcomes for row in outcome.kept.to_pylist()]
    assert [row["id"] for row in kept] == [row["id"] for row in rows]
    return kept, {row["title"]: row["topic"] for row in kept}


def test_structtuning_documents_are_grouped_by_the_words_that_their_headings_share(tmp_path):
    _, found = topics(CORPUS, tmp_path)
    assert found == dict(
        zip(TITLES, [["Lease"]] * 3 + [["Hives"]] * 3 + [[], []], strict=True)
    )  # named in the form that occurs most often
    assert "6 of 8 documents in 2 topics" in json.loads((tmp_path / "notices.json").read_text())[0]


@pytest.mark.parametrize("size", [1, 3])
def test_topics_do_not_depend_on_partitions_or_the_order_of_documents(tmp_path, size):
    assert topics(CORPUS[::-1], tmp_path, size)[1] == topics(CORPUS, tmp_path)[1]


def test_a_document_belongs_to_a_topic_by_the_headings_of_half_of_its_passages(tmp_path):
    other = [passage(0, "Spring", ["Hives"]), passage(1, "Spring", ["Hives", "Frames"]), passage(2, "Spring")]
    rare = [passage(0, "Winter", ["Hives"]), *(passage(n, "Winter") for n in (1, 2))]
    _, found = topics([*CORPUS, *other, *rare], tmp_path)
    assert (found["Spring"], found["Winter"]) == (["Hives"], [])


def test_a_word_of_more_than_half_of_the_documents_is_no_topic(tmp_path):
    everywhere = [row | {"title": f"Manual: {row['title']}"} for row in CORPUS]
    assert {
        title.removeprefix("Manual: "): path for title, path in topics(everywhere, tmp_path)[1].items()
    } == (topics(CORPUS, tmp_path)[1])


def test_large_topics_are_divided_up_to_the_depth(tmp_path):
    kinds = ["boat", "orchard", "tower"]
    rows = [passage(0, f"{kind} lease {word}") for kind in kinds for word in ("one", "two", "three")]
    rows += [
        passage(0, f"{word} of silence") for word in ("Sea", "Sand", "Snow", "Salt", "Sun", "Sky", "Soil")
    ]
    rows += [passage(0, name) for name in ("Ant", "Bee", "Cat")]
    _, found = topics(rows, tmp_path, most=5)
    assert found["boat lease one"] == ["Lease", "Boat lease"] and found["Sea of silence"] == ["Silence"]
    assert topics(rows, tmp_path, most=5, depth=1)[1]["boat lease one"] == ["Lease"]
    assert topics(rows, tmp_path, most=9)[1]["boat lease one"] == ["Lease"]
    assert not any(topics(rows, tmp_path, least=10)[1].values())


def test_documents_of_different_languages_share_no_topic(tmp_path):
    rows = [row | {"language": "de" if "Boat" in row["title"] else "en"} for row in CORPUS]
    _, found = topics(rows, tmp_path)
    assert found["Lease and Notice"] == [] and found["Painted hives"] == ["Hives"]


def test_structtuning_texts_and_answers_show_the_topic_above_the_title(tmp_path):
    rows, _ = topics(CORPUS, tmp_path)
    schema = stage.columns(Options()).makes
    table = table_of(pa.schema([*TABLES["passages"], *schema]), rows)
    where = replace(context("mine"), output=tmp_path)
    options = Mining(structure=True, tasks=["definition"])
    (first,) = mine.run(Partitions([lambda names: table.select(names) if names else table]), options, where)
    texts = mine.apply(table, first, options, where).kept.to_pylist()
    by_title = {row["lineage"]["title"]: row["text"] for row in texts}
    assert by_title.keys() == set(TITLES)
    for title, text in by_title.items():
        topic = "Lease" if "ease" in title else "Hives" if "ive" in title else ""
        assert text.startswith(f"└─ {topic or title}\n") or f"\n└─ {topic or title}\n" in text
        assert not topic or f"└─ {topic}\n   └─ {title}\n" in text
    pairs = outline_pairs.apply(table, outline_pairs.options(), context("outline_pairs")).kept.to_pylist()
    defined = {row["lineage"]["title"]: row["answer"] for row in pairs if row["task"] == "define"}
    assert "Hives > Painted hives" in defined["Painted hives"]
