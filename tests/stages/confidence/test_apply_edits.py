"""The stage apply_edits: texts, lineage, account, and the report on edits that it cannot apply."""

import json

import pyarrow as pa
import pytest

from datagen.schema import DOCUMENTS, ORIGINAL, table_of
from datagen.stage import NOTICES
from datagen.stages.confidence.apply_edits import OUTCOMES, stage
from datagen.stages.confidence.labels import file
from datagen.stages.filter.curate import stage as curate
from datagen.store.parquet import part_name, write_table
from tests.support import rows as support
from tests.support.rows import example, measured, put_through

ROWS = [example(question=f"When does ferry {n} leave?", answer=f"at {n}", p_true=0.5) for n in range(9)]


@pytest.fixture
def applied(tmp_path, monkeypatch):
    """Run the stage on rows with labels; return the rows, the notices and the outcomes."""

    def run(labels, rows=ROWS, size=4, documents=()):
        file.write(labels, tmp_path / "labels.jsonl")
        folder = tmp_path / "documents"
        write_table(table_of(DOCUMENTS, documents), folder / part_name(0))
        context = support.context

        def with_documents(*arguments, **options):
            made = context(*arguments, **options)
            made.tables["documents"] = [folder]
            return made

        monkeypatch.setattr(support, "context", with_documents)
        output = tmp_path / "output"
        output.mkdir(exist_ok=True)
        kept, dropped = put_through(
            stage,
            rows,
            size,
            columns={"p_true": pa.float64()},
            output=output,
            labels=[str(tmp_path / "labels.jsonl")],
        )
        assert not dropped
        notices = output / NOTICES
        outcomes = [json.loads(line) for line in (output / OUTCOMES).read_text().splitlines()]
        return kept, json.loads(notices.read_text()) if notices.exists() else [], outcomes

    return run


def test_edits_are_applied_in_place_in_any_partition(applied):
    wanted = {ROWS[n]["id"]: f"at {n} sharp" for n in (0, 2, 5, 8)}
    kept, notices, outcomes = applied(
        [{"id": name, "edit": {"answer": text}} for name, text in wanted.items()]
    )
    assert [row["id"] for row in kept] == [row["id"] for row in ROWS]
    assert {row["id"]: row["answer"] for row in kept if row[ORIGINAL]} == wanted
    for row, before in zip(kept, ROWS, strict=True):
        edited = row["id"] in wanted
        assert row["p_true"] == (None if edited else 0.5)
        assert row["lineage"]["stage"] == ("apply_edits" if edited else None)
        assert row[ORIGINAL] == (json.dumps({"answer": before["answer"]}) if edited else None)
    assert notices == ["edits applied to 4 rows"]
    assert [(line["outcome"], line["fields"]) for line in outcomes] == [("applied", ["answer"])] * 4
    assert {line["id"]: line["edit"] for line in outcomes} == {
        name: {"answer": text} for name, text in wanted.items()
    }


def test_edits_that_cannot_be_applied_are_reported_and_change_nothing(applied):
    documents = [{"id": "d1", "source": "a.md"}, {"id": "d2", "source": "b.md"}]
    document = {"edit": {"answer": "x"}}
    labels = [
        {"id": ROWS[1]["id"], "edit": {"answer": "x"}, "original": {"answer": "at 2"}},
        {"id": ROWS[2]["id"], "edit": {"text": "x"}},
        {"id": "gone", "source": "gone.md", "document_id": "d0", **document},
        {"id": "moved", "source": "a.md", "document_id": "d0", **document},
        {"id": "same", "source": "b.md", "document_id": "d2", **document},
        {"id": "foreign \ud800", **document},
        {"id": "odd", "source": 5, "document_id": ["d"], **document},
    ]
    kept, notices, outcomes = applied(labels, documents=documents)
    assert [row["answer"] for row in kept] == [row["answer"] for row in ROWS]
    assert not any(row[ORIGINAL] for row in kept)
    reasons = {line["id"][:5]: line["reason"] for line in outcomes}
    assert len(outcomes) == len(labels) and {line["outcome"] for line in outcomes} == {"not applied"}
    assert reasons[ROWS[1]["id"][:5]] == "the answer of the row has changed"
    assert reasons[ROWS[2]["id"][:5]] == "the row has no text"
    assert reasons["gone"] == "its document is not in the corpus"
    assert reasons["moved"] == "its document has changed"
    assert reasons["same"] == "the row was not made again or was dropped before this stage"
    assert reasons["forei"] == reasons["odd"] == "no row has this id"
    [notice] = notices
    assert notice.startswith("7 edits not applied (2: no row has this id; 1: ") and "edits.jsonl" in notice


def test_the_last_of_different_edits_counts_and_the_conflict_is_reported(applied):
    name = ROWS[3]["id"]
    kept, notices, _ = applied(
        [
            {"id": name, "edit": {"answer": "first"}},
            {"id": name, "verdict": "wrong"},
            {"id": name, "edit": {"answer": "last"}},
            {"id": ROWS[4]["id"], "edit": {"answer": "same"}},
            {"id": ROWS[4]["id"], "edit": {"answer": "same"}},
            {"id": ROWS[5]["id"], "edit": {"answer": "withdrawn"}},
            {"id": ROWS[5]["id"], "edit": {}},
        ]
    )
    assert (kept[3]["answer"], kept[4]["answer"], kept[5]["answer"]) == ("last", "same", ROWS[5]["answer"])
    assert notices == ["edits applied to 2 rows", "1 row has different edits; the last counts"]


def test_without_edits_every_row_passes(applied):
    kept, notices, outcomes = applied([{"id": ROWS[0]["id"], "verdict": "right"}])
    assert [row["answer"] for row in kept] == [row["answer"] for row in ROWS]
    assert not notices and not outcomes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("at 3 <|im_end|>", "control tokens"),
        ("word " * 500 + "end.", "too long"),
        ("at {question}", "template leftover"),
    ],
)
def test_an_edited_text_passes_the_checks_of_generated_rows(applied, text, reason):
    name = ROWS[3]["id"]
    kept, _, _ = applied([{"id": name, "edit": {"answer": text}}])
    rows, columns = measured(
        [{k: v for k, v in row.items() if k not in (ORIGINAL, "p_true")} for row in kept]
    )
    passed, dropped = put_through(curate, rows, columns=columns)
    assert [(row["id"], row["reason"]) for row in dropped] == [(name, reason)]
    assert len(passed) == len(ROWS) - 1
