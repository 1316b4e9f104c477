"""The card of an adapter: README.md for people, training.json for programs."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from datagen.synthesizer.recipe import SynthesizerRecipe


def write_card(recipe: SynthesizerRecipe, figures: dict[str, Any], folder: Path) -> None:
    """Write ``README.md`` and ``training.json`` beside an adapter."""
    text = resources.files(__package__).joinpath("card.md.j2").read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    card = environment.from_string(text).render(recipe=recipe, **figures)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
