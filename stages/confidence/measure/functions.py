"""Scores of the recipe's own: a function from columns of texts to numbers, named in the recipe."""

from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BeforeValidator, Field

import datagen.stage
from datagen.errors import UserError
from datagen.recipe.import_string import load


class Function(datagen.stage.Options):
    """A function and the columns that it is called with. A function alone is called with ``said``."""

    use: str = Field(description="package.module:function, or ./file.py:function")
    of: tuple[str, ...] = Field(
        ("said",),
        description="Columns of text. said: the answer, or all of a reading text; passage: the context, or "
        "else the evidence",
    )


def _function_alone(given: Any) -> Any:
    return {"use": given} if isinstance(given, str) else given


Named = Annotated[Function, BeforeValidator(_function_alone, Function | str)]


def call(function: Function, texts: dict[str, pa.Array], folder: Path) -> pa.Array:
    """
    Call a function with its columns and take what it returns, a number or null for each row.

    Raises
    ------
    UserError
        When there is no such function or column, or something else than a number a row comes back.
    """
    if missing := [name for name in function.of if name not in texts]:
        raise UserError(f"{function.use}: no column of text {missing[0]!r}; there are {', '.join(texts)}")
    if not callable(score := load(function.use, folder)):
        raise UserError(f"{function.use!r} is a {type(score).__name__}, not a function")
    said = score(*(texts[name] for name in function.of))
    try:
        found = (said if isinstance(said, pa.Array) else pa.array(said, from_pandas=True)).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{function.use} must return a number or null for each text: {error}") from error
    rows = len(next(iter(texts.values())))
    if len(found) != rows:
        raise UserError(f"{function.use} was given {rows} texts and returned {len(found)} numbers")
    return found
