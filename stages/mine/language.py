"""What is mined in a language: a file such as ``prompts/mined/en.yaml``, checked and compiled."""

import re
from collections.abc import Collection, Iterable, Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datagen.errors import UserError
from datagen.prompt import Prompt


class Part(BaseModel):
    """A part of the file. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pattern(Part):
    """
    A pattern and the tasks that a match of it can feed; one match feeds one of them.

    A value may name any group of the pattern, and with a first capital the group with a first
    capital: {cause}, {Cause}.
    """

    match: re.Pattern[str] = Field(description="From the start of a sentence; groups are values")
    cues: tuple[str, ...] = Field(
        (), description="The sentence holds one of these; saves the search elsewhere"
    )
    tasks: dict[str, dict[str, str]] = Field(description="Task -> further values of its templates")


class Template(Part):
    """What is asked and what is answered."""

    ask: str
    answer: str


class Language(Part):
    """Everything that the miners know of a language."""

    pointing: re.Pattern[str] = Field(description="Openings of sentences that mean nothing by themselves")
    remains: tuple[str, ...] = Field(
        description="What notes and markup leave: a sentence with one is not used"
    )
    glued: re.Pattern[str] = Field(description="A heading that ran into a sentence: it is not used either")
    nominal: re.Pattern[str] = Field(description="Openings of noun phrases, which may be no sentences")
    verb: re.Pattern[str] = Field(description="Found anywhere: what opens a paragraph or item is a sentence")
    keyword: re.Pattern[str] = Field(description="A word that can be a keyword")
    ordinary: frozenset[str] = Field(description="Words that are no keywords, in lower case")
    comma: str = Field(", ", description="Between two keywords")
    sentences: tuple[Pattern, ...] = Field(description="Found in one sentence")
    pairs: tuple[Pattern, ...] = Field(
        description="Found at the opening of a sentence; {first} is the sentence before, {second} the rest"
    )
    templates: dict[str, tuple[Template, ...]] = Field(description="Task -> templates")

    def only(self, tasks: Collection[str]) -> "Language":
        """Leave out the other tasks, so that each match feeds one that is wanted."""
        wanted = {task: templates for task, templates in self.templates.items() if task in tasks}
        return self.model_copy(
            update={
                "sentences": _feeding(self.sentences, wanted),
                "pairs": _feeding(self.pairs, wanted),
                "templates": wanted,
            }
        )


def read(prompt: Prompt) -> Language:
    """
    Check and compile the fields of a file.

    Raises
    ------
    UserError
        When a key is missing or unknown, a pattern cannot be compiled or a task has no template.
    """
    try:
        language = Language.model_validate(prompt.fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"prompts/{prompt.name}.yaml: {where}: {first['msg']}; compare prompts/mined/en.yaml"
        ) from error
    fed = {task for pattern in (*language.sentences, *language.pairs) for task in pattern.tasks}
    if bare := sorted(task for task in fed if not language.templates.get(task)):
        raise UserError(
            f"prompts/{prompt.name}.yaml: no templates for {', '.join(bare)}; add them under templates:"
        )
    return language


def _feeding(patterns: Iterable[Pattern], wanted: Collection[str]) -> tuple[Pattern, ...]:
    fed = [{task: pattern.tasks[task] for task in pattern.tasks if task in wanted} for pattern in patterns]
    return tuple(
        pattern.model_copy(update={"tasks": tasks})
        for pattern, tasks in zip(patterns, fed, strict=True)
        if tasks
    )


def capital(text: str) -> str:
    """Write the first letter large."""
    return text[:1].upper() + text[1:]


def capitals(values: Mapping[str, str]) -> dict[str, str]:
    """Add each value once more with a first capital, under its name with a first capital."""
    return dict(values) | {name.capitalize(): capital(text) for name, text in values.items()}
