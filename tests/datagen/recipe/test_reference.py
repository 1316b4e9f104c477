"""docs/recipe.md is up to date."""

from pathlib import Path

from datagen.recipe.reference import markdown


def test_the_reference_in_docs_is_up_to_date():
    stored = (Path(__file__).parents[3] / "docs/recipe.md").read_text(encoding="utf-8")
    assert stored == markdown(), "run datagen schema --markdown > docs/recipe.md"
