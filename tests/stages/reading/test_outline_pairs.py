"""Pairs whose answers show a path in the heading tree of the document."""

import pytest
import yaml

from datagen.errors import UserError
from datagen.schema import TABLES, content_id, table_of
from datagen.stages.reading.outline_pairs import Options, stage
from tests.support.rows import context

SWARM = "The term “swarm” means a cluster of bees that left its hive together with a queen."


def passage(text, section="", title="Keeping Bees", number=0):
    row = {
        "document_id": "d",
        "source": "s",
        "title": title,
        "section": section.split(" > ") if section else [],
        "text": text,
        "start": 0,
        "language": "en",
    }
    return row | {"id": content_id(text, section), "end": len(text), "index": number}


BOOK = [
    passage("What this book is about."),
    passage(f"Queens leave.\n{SWARM}", "Summer > Flights", number=1),
    passage("The first hive is old.", "Summer > Hives", number=2),
    passage("The second hive is new.", "Summer > Hives", number=3),
    passage("Nothing flies.", "Winter", number=4),
    passage("What to mind.", "Notes", number=5),
    passage("What to do.", "Hinweise", number=6),
]


def run(rows, **options):
    outcome = stage.apply(table_of(TABLES["passages"], rows), Options(**options), context("outline_pairs"))
    kept, dropped = outcome.kept.to_pylist(), outcome.dropped.to_pylist()
    assert {p for row in [*kept, *dropped] for p in row["lineage"]["parents"]} == {row["id"] for row in rows}
    return kept, dropped


@pytest.mark.parametrize(("language", "other"), [("en", "Hinweise"), ("de", "Notes")])
def test_structtuning_answers_of_pairs_reveal_the_structure(language, other):
    kept, _ = run([row | {"language": language} for row in BOOK])
    located = [row for row in kept if row["task"] == "locate"]
    assert len(located) == 3  # two passages are under Hives, and one heading is vague
    for row, name in zip(located, ("Flights", "Winter", other), strict=True):
        assert f"─ {name} ◀" in row["answer"] and name in row["question"]
        assert (row["kind"], row["context"]) == ("instruction", None)
        assert row["prompt"] == [{"role": "user", "content": row["question"]}]


def test_structtuning_a_definition_is_answered_with_its_path():
    (row,) = (row for row in run(BOOK)[0] if row["task"] == "define")
    assert "swarm" in row["question"] and "Keeping Bees" in row["question"]
    assert "Keeping Bees > Summer > Flights" in row["answer"] and SWARM in row["answer"]
    assert row["evidence"] == SWARM and SWARM in BOOK[1]["text"]


def test_structtuning_an_answer_shows_the_heading_tree_and_its_position():
    (flights,) = (row for row in run(BOOK)[0] if "“Flights”" in row["question"])
    tree = [
        "└─ Keeping Bees",
        "   ├─ Summer",
        "   │  ├─ Flights ◀",
        "   │  └─ Hives",
        "   ├─ Winter",
        "   ├─ Notes",
        "   └─ Hinweise",
    ]
    assert flights["answer"].endswith("\n".join(tree))


def test_each_document_gets_questions_in_its_language():
    german = [row | {"language": "de", "document_id": "e", "id": f"de {row['id']}"} for row in BOOK]
    klingon = [row | {"language": "tlh", "document_id": "k", "id": f"tlh {row['id']}"} for row in BOOK]
    kept, dropped = run([*BOOK, *german, *klingon])
    prompts = {row["lineage"]["document_id"]: row["lineage"]["prompt"] for row in kept}
    assert prompts == {"d": "outline_pairs/en", "e": "outline_pairs/de"}
    reasons = [(row["reason"], row["detail"]) for row in dropped if row["lineage"]["document_id"] == "k"]
    assert reasons == [("no wordings for its language", "tlh")] * len(BOOK)


def test_a_document_with_a_vague_title_has_no_pairs():
    kept, dropped = run([row | {"title": "Definitions"} for row in BOOK])
    assert not kept and {row["reason"] for row in dropped} == {"no definition or heading"}


def test_an_invalid_file_of_wordings_is_reported(tmp_path):
    (tmp_path / "outline_pairs").mkdir()
    (tmp_path / "outline_pairs" / "en.yaml").write_text(
        yaml.safe_dump({"mined": "mined/en"}), encoding="utf-8"
    )
    with pytest.raises(UserError, match="define"):
        stage.apply(
            table_of(TABLES["passages"], BOOK), Options(), context("outline_pairs", prompts=str(tmp_path))
        )
