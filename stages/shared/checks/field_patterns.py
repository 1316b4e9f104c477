"""
Text fields of output schemas: patterns for guided decoding, and their parsing.

A small model ends a JSON string at the first quotation mark that it copies, or does not end it at all. With
guided decoding, a pattern restricts the string to one line without double quotes that ends with a given mark.
"""

import re
from dataclasses import dataclass
from typing import TypeVar, get_args

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

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
        Length limit in characters (exclusive).
    marks
        The line ends with one of these and has no earlier one, except full stops inside words; "": any end.
    """

    most: int
    marks: str = ""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the pattern to the field's JSON schema; pydantic does not check it."""
        return handler(core) | {"pattern": self.pattern}

    @property
    def pattern(self) -> str:
        """
        The field as a regular expression that decoders support.

        The length is not part of it: `{1,160}` takes xgrammar (0.2.8) 250 ms per token, this pattern 0.01 ms.
        Overlong text is truncated by the request's token limit.
        """
        if not self.marks:
            return r'^[^"\\\x00-\x1f]+$'
        return rf'^([^"\\.{self.marks}\x00-\x1f]|[.][0-9a-z_])+[{self.marks}]$'

    def holds(self, text: str) -> bool:
        """Check whether a text fits the field, with its double quotes replaced."""
        return re.fullmatch(self.pattern, text.replace('"', "'")) is not None

    def read(self, text: str, name: str) -> str:
        """Return a field's text on one line; reject an empty or overlong one."""
        line = " ".join(text.split())
        if not line.strip(" .-_*"):
            raise Reject("empty", name)
        if len(line) >= self.most:
            raise Reject("too long", f"{name}: {line}")
        return line


@dataclass(frozen=True)
class Text:
    """
    Annotates a text field that may hold paragraphs.

    Parameters
    ----------
    most
        Length limit in characters (exclusive).
    """

    most: int

    def read(self, text: str, name: str) -> str:
        """Return a field's text without surrounding blanks; reject an empty or overlong one."""
        if not text.strip(" .-_*\t\r\n"):
            raise Reject("empty", name)
        if len(text) >= self.most:
            raise Reject("too long", f"{name}: {text[:200]} ...")
        return text.strip()


STATEMENT = Line(250, SENTENCE_MARKS)


def parse(answer: Answer, schema: type[Schema]) -> Schema:
    """
    Parse an answer as its output schema, and check each `Line` and `Text` field.

    Raises
    ------
    Reject
        As `Line.read` and `datagen.request.Answer.parse` do.
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
