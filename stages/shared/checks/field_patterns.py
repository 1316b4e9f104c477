"""
The text fields of output schemas: what the decoder may write into them, and how they are read.

A small model ends a JSON string at the first quotation mark that it copies, and otherwise does not end
it at all. Where the engine decodes under the schema, a pattern holds it to one line without double
quotes and to the mark that such a line ends with.
"""

import re
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from datagen.request import Answer, Reject

Schema = TypeVar("Schema", bound=BaseModel)

QUESTION_MARKS = "?？؟"
SENTENCE_MARKS = ".!。！।۔"


@dataclass(frozen=True)
class Line:
    """
    Annotates a text field of an output schema: ``question: Annotated[str, Line(160, QUESTION_MARKS)]``.

    Parameters
    ----------
    most
        Characters that are too many.
    marks
        The line ends with one of these and has none before, but for full stops inside words; "": it may
        end anywhere.
    """

    most: int
    marks: str = ""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Add the pattern to the field's JSON schema; pydantic itself does not check it."""
        result: dict[str, Any] = handler(core) | {"pattern": self.pattern}
        return result

    @property
    def pattern(self) -> str:
        """
        The field as a regular expression of the kind that decoders know.

        The length is not part of it: to keep count, xgrammar (0.2.8) takes 250 ms a token for `{1,160}`
        where this takes 0.01 ms. What runs on is cut off by the request's token limit.
        """
        if not self.marks:
            return r'^[^"\\\x00-\x1f]+$'
        return rf'^([^"\\.{self.marks}\x00-\x1f]|[.][0-9a-z_])+[{self.marks}]$'

    def holds(self, text: str) -> bool:
        """Tell whether a text can be written in such a field, its double quotes as others."""
        return re.fullmatch(self.pattern, text.replace('"', "'")) is not None

    def read(self, text: str, name: str) -> str:
        """Return a field's text on one line; refuse none, and one that only the bound has ended."""
        line = " ".join(text.split())
        if not line.strip(" .-_*"):
            raise Reject("empty", name)
        if len(line) >= self.most:
            raise Reject("too long", f"{name}: {line}")
        return line


@dataclass(frozen=True)
class Text:
    """Annotates a text field that may hold paragraphs, of fewer than so many characters."""

    most: int

    def read(self, text: str, name: str) -> str:
        """Return a field's text without blanks around it; refuse none, and one that is too long."""
        if not text.strip(" .-_*\t\r\n"):
            raise Reject("empty", name)
        if len(text) >= self.most:
            raise Reject("too long", f"{name}: {text[:200]} ...")
        return text.strip()


STATEMENT = Line(250, SENTENCE_MARKS)


def parse(answer: Answer, schema: type[Schema]) -> Schema:
    """
    Read an answer as its output schema, each `Line` and `Text` of it by its rules.

    Raises
    ------
    Reject
        Also what `datagen.request.Answer.parse` refuses.
    """
    output = answer.parse(schema)
    for name, info in schema.model_fields.items():
        items = [item for part in get_args(info.annotation) for item in getattr(part, "__metadata__", ())]
        for line in [*info.metadata, *items]:
            if isinstance(line, Line | Text):
                value = getattr(output, name)
                many = isinstance(value, list)
                setattr(output, name, [line.read(v, name) for v in value] if many else line.read(value, name))
    return output
