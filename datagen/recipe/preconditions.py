"""Find mistakes that stages would report when they run, after requests of earlier stages were paid for."""

from collections.abc import Iterator, Sequence

from datagen.errors import hint
from datagen.recipe.errors import Mistake
from datagen.recipe.model import Recipe
from datagen.stage import ModelStage

ONCE = ("reflect_questions", "reflect_answers")  # stages that add a column which the rows must not have


def unmet(recipe: Recipe) -> Iterator[Mistake]:
    """Find gates without licences, repeated proposals, and comparisons of stages that are not before."""
    before: list[str] = []
    done: dict[str, str] = {}
    for name, stage, options in recipe.line():
        if stage.name == "licences" and not (recipe.licences or getattr(options, "allowed", ())):
            yield ("stages", name, "allowed"), "name the licences, such as [Apache-2.0, MIT]"
        if stage.name in ONCE and (other := done.setdefault(stage.name, name)) != name:
            yield (
                ("stages", name),
                f"{other} proposes already, and a row keeps one proposal; remove one of the two",
            )
        if stage.name == "compare_generators":
            yield from _compared(name, list(getattr(options, "billions", ())), before)
        if isinstance(stage, ModelStage):
            before.append(name)
    yield from _not_by_target(recipe)


def _compared(name: str, compared: Sequence[str], before: Sequence[str]) -> Iterator[Mistake]:
    for other in compared:
        if other not in before:
            advice = hint(other, before)
            yield (
                ("stages", name, "billions", other),
                f"there is no such stage with a model before it; {advice}",
            )


def _not_by_target(recipe: Recipe) -> Iterator[Mistake]:
    """Find other models than the target in stages with ``by_target``, and in those that answer them."""
    line, target = recipe.line(), recipe.models.role("target")
    if any(getattr(options, "by_target", False) for _, _, options in line):
        for name, stage, options in line:
            writes = stage.name == "answer_questions" or getattr(options, "by_target", False)
            if isinstance(stage, ModelStage) and writes and recipe.models.role(stage.role) != target:
                what = f"its model is that of models.{stage.role}, not of models.target"
                yield ("stages", name), f"by_target: {what}; make them one"
