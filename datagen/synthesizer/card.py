"""The model card of an adapter: README.md for people, training.json for programs."""

import json
from pathlib import Path

from datagen.json_types import JsonObject
from datagen.synthesizer.recipe import SynthesizerRecipe
from datagen.template import render_file


def write_card(recipe: SynthesizerRecipe, figures: JsonObject, folder: Path) -> None:
    """Write an adapter's ``README.md`` and ``training.json``."""
    card = render_file(__package__, "card.md.j2", recipe=recipe, **figures)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
