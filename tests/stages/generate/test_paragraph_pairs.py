"""Passages become paragraphs and keyword rows; the keywords occur in their paragraph."""

from datagen.schema import PASSAGES, table_of
from datagen.stages.generate.paragraph_pairs import stage
from tests.support.generators import TEXT
from tests.support.rows import context
from tests.support.written import passage


def outcome(rows, **options):
    table = table_of(PASSAGES, rows)
    made = stage.apply(table, stage.options.model_validate(options), context(stage.name))
    kept, dropped = made.kept.to_pylist(), made.dropped.to_pylist()
    assert {parent for row in [*kept, *dropped] for parent in row["lineage"]["parents"]} == set(
        table["id"].to_pylist()
    )
    return kept, dropped


OTHER = "Bread is baked in the village oven on Fridays. The baker lights the village oven at dawn."
ROWS = [passage(TEXT, 0, title="Leases", language="en"), passage(OTHER, 1, title="Bread", language="en")]


def test_each_passage_gives_a_row_of_each_format():
    kept, dropped = outcome(ROWS)
    assert sorted((row["kind"], row["task"]) for row in kept) == [
        *[("instruction", "keywords")] * 2,
        *[("reading", "paragraph")] * 2,
    ]
    assert not dropped
    assert {row["text"] for row in kept if row["kind"] == "reading"} == {
        f"Leases\n\n{TEXT}",
        f"Bread\n\n{OTHER}",
    }
    assert {row["answer"] for row in kept if row["kind"] == "instruction"} == {TEXT, OTHER}
    (only,) = outcome(ROWS[:1], formats=["paragraph"])[0]
    assert only["kind"] == "reading"


def test_keywords_occur_in_the_paragraph_and_distinguish_it():
    kept, _ = outcome(ROWS, formats=["keywords"], keywords=3)
    by_answer = {row["answer"]: row["question"] for row in kept}
    for text, words in ((TEXT, ("lease", "tenant", "standard")), (OTHER, ("village", "oven", "baker"))):
        assert sum(word in by_answer[text] for word in words) >= 2, by_answer[text]
        keywords = next(part for part in by_answer[text].split(":") if part.count(",") == 2)
        for word in keywords.strip(" .").partition(".")[0].split(", "):
            assert word in text


def test_passages_without_keywords_or_templates_give_no_keyword_row():
    rows = [
        passage("It is so. So it is.", 0, language="en"),
        passage("承租人每个月支付租金。", 1, language="zh"),
    ]
    kept, dropped = outcome(rows)
    assert [row["kind"] for row in kept] == ["reading"] * 2
    assert sorted(row["reason"] for row in dropped) == ["no wordings for its language", "too few keywords"]


def test_rare_words_are_preferred_as_keywords():
    rows = [
        passage(f"The harbour keeps its {word}. A harbour is wide.", number, language="en")
        for number, word in enumerate(("lighthouse", "dockyard", "breakwater"))
    ]
    kept, _ = outcome(rows, formats=["keywords"], keywords=1, least=1)
    for row, word in zip(kept, ("lighthouse", "dockyard", "breakwater"), strict=True):
        assert word in row["question"] and "harbour" not in row["question"]
