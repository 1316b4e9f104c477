"""A German and a Finnish corpus through probe and refuse, with German rules and without Finnish ones."""

import pytest

from datagen.recipe.load import load_recipe
from datagen.report.languages import languages, warnings
from datagen.store.parquet import parts, read_part
from tests.support.toys import SilentWatcher

pytestmark = pytest.mark.cluster

RECIPE = """
name: corpora
corpus: [{path: texte}]
models: {generator: {engine: scripted, model: "tests.stages.shared.language.test_corpora:model"}}
cluster: {workers: 1}
stages:
  ingest:
  chunk: {min_chars: 40}
  pairs: {use: "tests.stages.shared.language.test_corpora:pairs"}
  probe: {samples: 1, mislead: []}
  refuse:
"""
GERMAN = (
    "Die Glocke der Stadt Tann wurde im Jahr 1731 von Anna Weidlich gegossen und hängt bis heute im Turm."
)
FINNISH = (
    "Tannin kaupungin kellon valoi vuonna 1731 Anna Weidlich, ja se riippuu tornissa vielä tänäkin päivänä."
)


def model(request):
    """Decline in German, and guess in Finnish."""
    question = request.messages[-1]["content"]
    return "Das weiß ich leider nicht." if "Wer" in question else "Pekka Virtanen"


def apply(rows, options, context):
    from datagen.schema import chat
    from datagen.stage import Builder

    built = Builder("examples", context)
    for row in rows.to_pylist():
        question = "Wer goss die Glocke von Tann?" if "Glocke" in row["text"] else "Kuka valoi Tannin kellon?"
        made = {
            "kind": "instruction",
            "task": "extractive_question",
            "question": question,
            "context": row["text"],
        }
        built.keep(made | {"answer": "Anna Weidlich", "evidence": row["text"], "prompt": chat(question)}, row)
    return built.outcome()


def _stage():
    from datagen.stage import MapStage

    return MapStage("pairs", "one pair a passage", "passages", "examples", apply)


pairs = _stage()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run_on_workers):
    folder = tmp_path_factory.mktemp("corpora")
    (folder / "texte").mkdir()
    (folder / "texte" / "de.txt").write_text(GERMAN)
    (folder / "texte" / "fi.txt").write_text(FINNISH)
    (folder / "recipe.yaml").write_text(RECIPE)
    return run_on_workers(load_recipe(folder / "recipe.yaml"), folder / "outputs", SilentWatcher())


def rows(finished, stage, table=""):
    return [
        row for path in parts(finished.stage_folder(stage) / table) for row in read_part(path).to_pylist()
    ]


def test_the_language_is_passed_from_the_document_to_the_example(finished):
    assert {row["language"] for row in rows(finished, "ingest")} == {"de", "fi"}
    assert {row["language"] for row in rows(finished, "chunk")} == {"de", "fi"}
    assert {row["lineage"]["language"] for row in rows(finished, "probe")} == {"de", "fi"}


def test_a_german_decline_is_not_a_wrong_answer_and_gives_a_german_refusal(finished):
    made = [row for row in rows(finished, "refuse") if row["lineage"]["language"] == "de"]
    (refusal,) = [row for row in made if row["kind"] == "refusal"]
    assert refusal["lineage"]["prompt"] == "refusals/does_not_know.de"
    dropped = [row for row in rows(finished, "refuse", "dropped") if row["lineage"]["language"] == "de"]
    assert [row["reason"] for row in dropped] == ["no wrong answer to reject"]


def test_a_finnish_question_gives_no_refusal_in_another_language(finished):
    assert not [row for row in rows(finished, "refuse") if row["lineage"]["language"] == "fi"]
    dropped = [row for row in rows(finished, "refuse", "dropped") if row["lineage"]["language"] == "fi"]
    assert [(row["reason"], row["detail"]) for row in dropped] == [("no wording in its language", "fi")]


def test_skipped_rules_are_reported(finished):
    by_code = {language.code: language for language in languages(finished)}
    assert by_code["fi"].documents == 1 and len(by_code["fi"].skipped) == 2
    assert not by_code["de"].skipped
    (warning,) = warnings(finished)
    assert "language fi: 1 documents" in warning and "prompts/languages/fi.yaml" in warning
    assert "prompts/languages/fi.yaml" in (finished.folder / "report.html").read_text()
