"""Relevance is the share of a document's words in terms of the domain, listed or learned."""

import json

import pytest
from pydantic import ValidationError

from datagen.errors import UserError
from datagen.schema import DOCUMENTS, content_id, table_of
from datagen.stage import Context, Partitions
from datagen.stages.sources.relevance import Options, apply, run

LIGHT = "The fog signal sounds beside the lamp. The keeper trims the lamp and logs the fog signal. "
BREAD = "The baker kneads dough before dawn. Yeast lifts the dough, and the oven browns the bread. "


def scored(folder, *texts, **options):
    rows = [{"id": content_id(text), "source": f"{at}", "text": text} for at, text in enumerate(texts)]
    table = table_of(DOCUMENTS, [{"metadata": '{"year": 1999}'} | row for row in rows])
    context = Context("relevance", folder=folder, output=folder)
    partitions = Partitions([lambda names: table.select(names) if names else table])
    (terms,) = run(partitions, Options(**options), context)
    return apply(table, terms, Options(**options), context)


def scores(outcome):
    return {row["source"]: json.loads(row["metadata"])["relevance"] for row in outcome.kept.to_pylist()}


def test_terms_of_several_words_count_all_their_words(tmp_path):
    (tmp_path / "terms.txt").write_text("# the domain\nfog signal\nLamp\n\n")
    outcome = scored(tmp_path, "Fog signal, lamp, door.", "A signal in fog.", "", terms="terms.txt")
    assert scores(outcome) == {"0": 0.75, "1": 0, "2": 0}
    assert json.loads(outcome.kept["metadata"][0].as_py())["year"] == 1999


def test_terms_are_learned_from_texts_of_the_domain(tmp_path):
    (tmp_path / "domain.md").write_text(LIGHT * 20)
    outcome = scored(tmp_path, LIGHT, BREAD, BREAD * 30, texts="*.md")
    relevance = scores(outcome)
    assert relevance["0"] > 0.4 and relevance["1"] < 0.1 and relevance["2"] < 0.1
    (notice,) = json.loads((tmp_path / "notices.json").read_text())
    assert "lamp" in notice and "the," not in notice


def test_documents_below_the_minimum_are_dropped_with_their_score(tmp_path):
    (tmp_path / "terms.txt").write_text("dough\nyeast")
    outcome = scored(tmp_path, LIGHT, BREAD, terms="terms.txt", least=0.05)
    assert list(scores(outcome)) == ["1"]
    (dropped,) = outcome.dropped.to_pylist()
    assert (dropped["reason"], dropped["detail"]) == ("off domain", "0.0000 of its words are terms")


def test_mistakes_in_the_recipe_are_reported(tmp_path):
    with pytest.raises(ValidationError):
        Options()
    with pytest.raises(ValidationError):
        Options(terms="a", texts="b")
    with pytest.raises(UserError, match="matches no file"):
        scored(tmp_path, LIGHT, texts="*.md")
    with pytest.raises(UserError, match="cannot be read"):
        scored(tmp_path, LIGHT, terms="none.txt")
    (tmp_path / "terms.txt").write_text("# nothing\n")
    with pytest.raises(UserError, match="contains no term"):
        scored(tmp_path, LIGHT, terms="terms.txt")
    (tmp_path / "same.md").write_text(LIGHT)
    with pytest.raises(UserError, match="no word of these 1 files"):
        scored(tmp_path, LIGHT, texts="same.md")
