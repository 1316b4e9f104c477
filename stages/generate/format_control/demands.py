"""Demands for a format: their content, their wording, and whether an answer meets them."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, field_validator

from datagen.request import Reject
from datagen.schema import content_id, pick
from datagen.stages.shared import formats
from datagen.stages.shared.formats import FORMATS, Parsed
from datagen.stages.shared.render.phrases import FIELD

WORDS_PER_ITEM = 3  # words that an answer needs for each demanded item


class Form(BaseModel):
    """How a format is demanded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    demands: tuple[str, ...] = Field(min_length=1)
    names: tuple[tuple[str, ...], ...] = ()
    counts: tuple[int, ...] = ()
    least_words: int = Field(1, ge=1)


class Demands(BaseModel):
    """The fields of ``prompts/formats/demands.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formats: dict[str, Form] = Field(min_length=1)
    examples: tuple[str, ...] = Field(min_length=1)

    @field_validator("formats")
    @classmethod
    def _known(cls, forms: dict[str, Form]) -> dict[str, Form]:
        if unknown := forms.keys() - FORMATS.keys():
            raise ValueError(f"unknown format {min(unknown)!r}; the formats are {', '.join(FORMATS)}")
        seen: dict[str, str] = {}
        for name, form in forms.items():
            for wording in form.demands:
                if seen.setdefault(wording, name) != name:
                    raise ValueError(f"{wording!r} demands both {seen[wording]} and {name}")
        return forms

    @field_validator("examples")
    @classmethod
    def _complete(cls, examples: tuple[str, ...]) -> tuple[str, ...]:
        for example in examples:
            if set(FIELD.findall(example)) != {"question", "answer"}:
                raise ValueError(f"{example!r} must have the fields question and answer, and no other")
        return examples


@dataclass(frozen=True)
class Demand:
    """
    A demand for a format.

    Parameters
    ----------
    format
        A key of `datagen.stages.shared.formats.FORMATS`.
    names
        The keys or columns, in their order; empty if the format has none.
    count
        The number of items; 0 if any number meets the demand.
    text
        The wording of the demand.
    """

    format: str
    names: tuple[str, ...]
    count: int
    text: str

    def read(self, text: str) -> tuple[str, Parsed]:
        """
        Return an answer without its code fence, and its parsed content.

        Raises
        ------
        Reject
            If the answer does not meet the demand.
        """
        answer = formats.unfenced(text)
        parsed = formats.read(self.format, answer)
        if self.names and parsed.names != self.names:
            raise Reject("other names than demanded", f"{', '.join(parsed.names)}: {answer[:200]}")
        if self.count and len(parsed.rows) != self.count:
            raise Reject("another number of items", f"{len(parsed.rows)}, not {self.count}: {answer[:200]}")
        return answer, parsed


def fits(form: Form, words: int) -> bool:
    """Check whether an answer of `words` words is long enough for a format."""
    return words >= form.least_words


def draw_demand(name: str, form: Form, words: int, *draw: str) -> Demand:
    """Draw names, number of items and wording for an answer of `words` words."""
    names = pick(form.names, "names", name, *draw) if form.names else ()
    usable = [count for count in form.counts if count * WORDS_PER_ITEM <= words] or list(form.counts[:1])
    count = pick(usable, "count", name, *draw) if usable else 0
    values = {"names": ", ".join(names), "count": str(count)}
    wording = pick(form.demands, "demand", name, *draw)
    return Demand(name, names, count, FIELD.sub(lambda field: values[field[1]], wording))


def draw_formats(
    demands: Demands, weights: dict[str, float], words: int, count: int, *draw: str
) -> list[str]:
    """Draw `count` different formats for an answer by weight (Efraimidis and Spirakis 2006)."""
    keys = {
        name: _uniform(name, *draw) ** (1 / weight)
        for name, weight in weights.items()
        if weight > 0 and fits(demands.formats[name], words)
    }
    return sorted(keys, key=lambda name: (-keys[name], name))[:count]


def _uniform(*parts: str) -> float:
    """Hash to a number from 0 to 1."""
    return int(content_id("format", *parts)[:13], 16) / 16**13
