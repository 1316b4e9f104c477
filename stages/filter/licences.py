"""
Drop rows to which a model with a disallowed licence contributed.

A row's lineage lists every model that contributed to it, with the licence stated in the recipe. A row with a
model of unknown licence is dropped; a row without any model, such as a mined text, is kept. The recipe's
`licences:` refuses such models before the first request.
"""

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.stage import Context, MapStage, Outcome


class Options(datagen.stage.Options):
    """Which licences are allowed."""

    allowed: tuple[str, ...] = Field(
        (),
        description="Licences, such as Apache-2.0, case-insensitive; default: the recipe's licences",
    )


def apply(rows: pa.Table, options: Options, context: Context) -> Outcome:
    """
    Drop rows with a model whose licence is not allowed.

    Raises
    ------
    UserError
        If neither the stage nor the recipe names a licence.
    """
    named = options.allowed or context.recipe.get("licences") or ()
    if not named:
        raise UserError(f"stages.{context.stage}.allowed: name the licences, such as [Apache-2.0, MIT]")
    allowed = {licence.casefold() for licence in named}
    violations = [_forbidden(lineage or {}, allowed) for lineage in rows["lineage"].to_pylist()]
    return Outcome.split(
        rows, ["licence not allowed" if violation else None for violation in violations], violations
    )


def _forbidden(lineage: dict[str, object], allowed: set[str]) -> str | None:
    """Name the first model whose licence is not allowed."""
    models = lineage.get("models")
    listed: list[dict[str, str]] = models if isinstance(models, list) else []
    if not listed and lineage.get("model"):
        return f"{lineage['model']}: no licence recorded"
    for model in listed:
        if (model["licence"] or "").casefold() not in allowed:
            return f"{model['model']}: {model['licence'] or 'no licence stated'}"
    return None


stage = MapStage(
    name="licences",
    summary="drop rows to which a model with another licence contributed",
    takes="examples",
    gives="examples",
    apply=apply,
    options=Options,
)
