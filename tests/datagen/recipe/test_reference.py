"""The recipe reference in docs/ says what the models say."""

from pathlib import Path

from datagen.recipe.reference import markdown


def test_the_reference_in_docs_is_the_one_the_models_write():
    written = (Path(__file__).parents[3] / "docs/recipe.md").read_text(encoding="utf-8")
    assert written == markdown(), "write it anew: datagen schema --markdown > docs/recipe.md"
