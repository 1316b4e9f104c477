"""The user's own scores: functions from columns of texts to numbers, named in the recipe."""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
from pydantic import BeforeValidator, Field

import datagen.stage
from datagen.errors import UserError
from datagen.recipe.import_string import load


class Function(datagen.stage.Options):
    """A function and its argument columns. Without `of`, the function is called with ``said``."""

    use: str = Field(description="package.module:function, or ./file.py:function")
    of: tuple[str, ...] = Field(
        ("said",),
        description="Columns of text. said: the answer, or the whole of a reading text; passage: the "
        "context, or else the evidence",
    )


def _function_alone(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


Named = Annotated[Function, BeforeValidator(_function_alone, Function | str)]


def call(function: Function, texts: dict[str, pa.Array], folder: Path) -> pa.Array:
    """
    Call a function with its columns and return its values, a number or null per row.

    Raises
    ------
    UserError
        When there is no such function or column, or it does not return a number per row.
    """
    if missing := [name for name in function.of if name not in texts]:
        raise UserError(f"{function.use}: no column of text {missing[0]!r}; there are {', '.join(texts)}")
    if not callable(score := load(function.use, folder)):
        raise UserError(f"{function.use!r} is a {type(score).__name__}, not a function")
    values = score(*(texts[name] for name in function.of))
    try:
        column = values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True)
        scores = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{function.use} must return a number or null for each text: {error}") from error
    rows = len(next(iter(texts.values())))
    if len(scores) != rows:
        raise UserError(f"{function.use} received {rows} texts but returned {len(scores)} numbers")
    return scores
