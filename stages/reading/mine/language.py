"""What is mined in a language: a file such as ``prompts/mined/en.yaml``, checked and compiled."""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from datagen.errors import UserError
from datagen.prompt import Prompt

# The value that a task asks about: it must mean something by itself.
ASKED = {
    "cause": "effect",
    "effect": "cause",
    "condition": "consequence",
    "consequence": "condition",
    "term": "meaning",
    "relation": "first",
    "inference": "premise",
    "paraphrase": "first",
}


class Part(BaseModel):
    """A part of the file. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pattern(Part):
    """
    A pattern and what a match of it can feed; one match feeds one exercise.

    A value may name any group of the pattern: {cause} as it stands, {Cause} with a capital first letter,
    {cause_} with a small one.
    """

    match: re.Pattern[str] = Field(description="From the start of a sentence; groups are values")
    cues: tuple[str, ...] = Field(
        min_length=1, description="The sentence holds one of these; saves the search elsewhere"
    )
    pointing: bool = Field(False, description="Looked for in sentences that point to others, too")
    feeds: tuple[dict[str, str], ...] = Field(description="task, and further values of its templates")

    @model_validator(mode="after")
    def _named(self) -> "Pattern":
        if not all(feed.get("task") for feed in self.feeds):
            raise ValueError("each of feeds names its task")
        return self


class Template(Part):
    """What is asked and what is answered."""

    ask: str
    answer: str


def _ungroup(groups: Any) -> Any:
    """Take wordings that share an answer as a template each."""
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        return groups
    if any(group.keys() != {"answer", "asks"} for group in groups):
        raise ValueError("a group of templates has answer: and asks:")
    return [{"ask": ask, "answer": group["answer"]} for group in groups for ask in group["asks"]]


def _split(words: Any) -> Any:
    return words.split() if isinstance(words, str) else words


class Language(Part):
    """Everything that the miners know of a language."""

    layouts: str = Field(description="The file with the words around passage and exercises")
    pointing: re.Pattern[str] = Field(description="Openings of sentences that mean nothing by themselves")
    remains: tuple[str, ...] = Field(
        description="What notes and markup leave: a sentence with one is not used"
    )
    glued: re.Pattern[str] = Field(description="A heading that ran into a sentence: it is not used either")
    nominal: re.Pattern[str] = Field(description="Openings of noun phrases, which may be no sentences")
    verb: re.Pattern[str] = Field(description="Found anywhere: what opens a paragraph or item is a sentence")
    vague: re.Pattern[str] = Field(description="Headings that say nothing about what stands below")
    keyword: re.Pattern[str] = Field(description="A word that can be a keyword")
    comma: str = Field(", ", description="Between two keywords")
    unrelated: dict[str, str] = Field(
        description="Values of inference for two sentences, neither of which decides the other"
    )
    sentences: tuple[Pattern, ...] = Field(description="Found in one sentence")
    pairs: tuple[Pattern, ...] = Field(
        description="Found at the opening of a sentence; {first} is the sentence before, {second} the rest"
    )
    templates: dict[str, Annotated[tuple[Template, ...], BeforeValidator(_ungroup)]] = Field(
        description="Task -> groups of wordings with a common answer"
    )
    general: Annotated[frozenset[str], BeforeValidator(_split)] = Field(
        description="The general vocabulary: words that mark no domain, in lower case"
    )

    @cached_property
    def cues(self) -> list[tuple[str, int]]:
        """Each cue with the number of its pattern in `sentences`."""
        return [(cue, number) for number, pattern in enumerate(self.sentences) for cue in pattern.cues]

    @cached_property
    def definitional(self) -> tuple[Pattern, ...]:
        """The patterns in `sentences` that find a definition and the term that it defines."""
        feeding = (pattern for pattern in self.sentences if "term" in pattern.match.groupindex)
        return tuple(p for p in feeding if any(feed["task"] == "definition" for feed in p.feeds))

    def only(self, tasks: Collection[str]) -> "Language":
        """Leave out the other tasks, so that each match feeds one that is wanted."""
        parts = {name: getattr(self, name) for name in Language.model_fields} | {
            "sentences": _feeding(self.sentences, tasks),
            "pairs": _feeding(self.pairs, tasks),
            "templates": {task: known for task, known in self.templates.items() if task in tasks},
        }
        return Language.model_construct(**parts)


def read(prompt: Prompt) -> Language:
    """
    Check and compile the fields of a file.

    Raises
    ------
    UserError
        When a key is missing or unknown, a pattern cannot be compiled, or a task that is fed has no template.
    """
    language = prompt.checked(Language, "compare prompts/mined/en.yaml")
    patterns = (*language.sentences, *language.pairs)
    fed = {feed["task"] for pattern in patterns for feed in pattern.feeds}
    if bare := sorted(task for task in fed if not language.templates.get(task)):
        raise UserError(
            f"prompts/{prompt.name}.yaml: no templates for {', '.join(bare)}; add them under templates:"
        )
    for pattern in patterns:
        for feed in pattern.feeds:
            if unknown := _unfilled(pattern, feed, language):
                raise UserError(
                    f"prompts/{prompt.name}.yaml: templates of {feed['task']} use {unknown}, "
                    f"which the pattern with the cue {pattern.cues[0]!r} does not give"
                )
    return language


def _unfilled(pattern: Pattern, feed: Mapping[str, str], language: Language) -> str:
    """Name what a template would ask for in vain when a match of the pattern feeds it; "" where nothing."""
    given = Values(dict.fromkeys(("sentence", "first", "second", *pattern.match.groupindex), ""))
    try:
        given.update({name: filled(template, given) for name, template in feed.items()})
        for template in language.templates[feed["task"]]:
            filled(template.ask + template.answer, given)
    except KeyError as error:
        return str(error.args[0])
    return ""


def _feeding(patterns: Iterable[Pattern], tasks: Collection[str]) -> tuple[Pattern, ...]:
    fed = [(pattern, tuple(feed for feed in pattern.feeds if feed["task"] in tasks)) for pattern in patterns]
    return tuple(pattern.model_copy(update={"feeds": feeds}) for pattern, feeds in fed if feeds)


def capital(text: str) -> str:
    """Write the first letter large."""
    return text[:1].upper() + text[1:]


class Values(dict[str, str]):
    """The values of a template, each also with a capital first letter ({Name}) and a small one ({name_})."""

    def __missing__(self, name: str) -> str:
        """Write the form that is asked for."""
        if name.endswith("_"):
            text = self[name[:-1]]
            return text[:1].lower() + text[1:]
        if name[:1].isupper():
            return capital(self[name[:1].lower() + name[1:]])
        raise KeyError(name)


def filled(template: str, values: Values) -> str:
    """Fill a template of the file, which `read` has checked; what a value holds is never read as one."""
    return template.format_map(values)
