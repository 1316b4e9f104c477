"""The mining patterns and templates of a language: a file such as ``prompts/mined/en.yaml``."""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from datagen.errors import UserError
from datagen.prompt import Prompt

# The value that the question of a task is about: it must be self-contained.
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


NOTHING = re.compile(r"[^\s\S]")  # matches nothing


class Part(BaseModel):
    """A part of the file. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pattern(Part):
    """
    A pattern, and the tasks that a match can feed; each match feeds one exercise.

    A value can refer to any group of the pattern: {cause} verbatim, {Cause} with a capital first letter,
    {cause_} with a lower-case one.
    """

    match: re.Pattern[str] = Field(description="Matched at the start of a sentence; groups are values")
    cues: tuple[str, ...] = Field(
        min_length=1, description="A matching sentence contains one of these; speeds up the search"
    )
    pointing: bool = Field(False, description="Whether sentences that refer to others are searched too")
    feeds: tuple[dict[str, str], ...] = Field(description="task, and further values of its templates")

    @model_validator(mode="after")
    def _named(self) -> "Pattern":
        if not all(feed.get("task") for feed in self.feeds):
            raise ValueError("each of feeds names its task")
        return self


class Template(Part):
    """A question and its answer."""

    ask: str
    answer: str


def _ungroup(groups: object) -> object:
    """Expand groups of questions that share an answer into templates."""
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        return groups
    if any(group.keys() != {"answer", "asks"} for group in groups):
        raise ValueError("a group of templates has answer: and asks:")
    return [{"ask": ask, "answer": group["answer"]} for group in groups for ask in group["asks"]]


def _split(words: object) -> object:
    return words.split() if isinstance(words, str) else words


class Language(Part):
    """The patterns and templates of a language."""

    layouts: str = Field(description="The file with the layouts of texts")
    pointing: re.Pattern[str] = Field(description="Openings of sentences that depend on others")
    remains: tuple[str, ...] = Field(description="Residue of notes and markup; sentences with it are skipped")
    glued: re.Pattern[str] = Field(description="A heading merged into a sentence, which is not used")
    elsewhere: re.Pattern[str] = Field(NOTHING, description="Openings of sentences that only refer elsewhere")
    referring: re.Pattern[str] = Field(NOTHING, description="Ends of sentences that refer elsewhere")
    demonstrative: re.Pattern[str] = Field(
        NOTHING, description="References within a condition to something named outside it"
    )
    headless: re.Pattern[str] = Field(
        NOTHING, description="Openings of conditions without a subject: If “defined as a method”"
    )
    nominal: re.Pattern[str] = Field(description="Openings of noun phrases that may not be sentences")
    verb: re.Pattern[str] = Field(description="A verb: makes the opening of a paragraph or item a sentence")
    vague: re.Pattern[str] = Field(description="Headings that do not describe their text")
    keyword: re.Pattern[str] = Field(description="A word that can be a keyword")
    comma: str = Field(", ", description="Separator of keywords")
    conjunction: str = Field(
        description="Separator of the last two keywords where they are part of a sentence"
    )
    unrelated: dict[str, str] = Field(
        description="Values of inference for two sentences, neither of which decides the other"
    )
    sentences: tuple[Pattern, ...] = Field(description="Patterns within one sentence")
    pairs: tuple[Pattern, ...] = Field(
        description="Patterns at the start of a sentence; {first} is the previous sentence, {second} the rest"
    )
    templates: dict[str, Annotated[tuple[Template, ...], BeforeValidator(_ungroup)]] = Field(
        description="Task -> groups of questions with a common answer"
    )
    general: Annotated[frozenset[str], BeforeValidator(_split)] = Field(
        description="The general vocabulary: words that are not domain words, in lower case"
    )

    @cached_property
    def cues(self) -> list[tuple[str, int]]:
        """Each cue with the number of its pattern in `sentences`."""
        return [(cue, number) for number, pattern in enumerate(self.sentences) for cue in pattern.cues]

    @cached_property
    def joining(self) -> tuple[str, ...]:
        """The cues of `pairs`."""
        return tuple(cue for pattern in self.pairs for cue in pattern.cues)

    @cached_property
    def definitional(self) -> tuple[Pattern, ...]:
        """The patterns in `sentences` that find a definition and its term."""
        feeding = (pattern for pattern in self.sentences if "term" in pattern.match.groupindex)
        return tuple(p for p in feeding if any(feed["task"] == "definition" for feed in p.feeds))

    def only(self, tasks: Collection[str]) -> "Language":
        """Restrict the language to some tasks, so that each match feeds one of them."""
        parts = {name: getattr(self, name) for name in Language.model_fields} | {
            "sentences": _feeding(self.sentences, tasks),
            "pairs": _feeding(self.pairs, tasks),
            "templates": {name: group for name, group in self.templates.items() if name in tasks},
        }
        return Language.model_construct(**parts)


def read(prompt: Prompt) -> Language:
    """
    Validate and compile the fields of a file.

    Raises
    ------
    UserError
        If a key is missing or unknown, a pattern cannot be compiled, or a task of a pattern has no template.
    """
    language = prompt.checked(Language, "compare prompts/mined/en.yaml")
    patterns = (*language.sentences, *language.pairs)
    fed = {feed["task"] for pattern in patterns for feed in pattern.feeds}
    if missing := sorted(task for task in fed if not language.templates.get(task)):
        raise UserError(
            f"prompts/{prompt.name}.yaml: no templates for {', '.join(missing)}; add them under templates:"
        )
    for pattern in patterns:
        for feed in pattern.feeds:
            if undefined := _undefined(pattern, feed, language):
                raise UserError(
                    f"prompts/{prompt.name}.yaml: templates of {feed['task']} use {undefined}, "
                    f"which the pattern with the cue {pattern.cues[0]!r} does not define"
                )
    return language


def _undefined(pattern: Pattern, feed: Mapping[str, str], language: Language) -> str:
    """Return a value that a template uses and a match of the pattern does not define; "" if there is none."""
    values = Values(dict.fromkeys(("sentence", "first", "second", *pattern.match.groupindex), ""))
    try:
        values.update({name: filled(template, values) for name, template in feed.items()})
        for template in language.templates[feed["task"]]:
            filled(template.ask + template.answer, values)
    except KeyError as error:
        return str(error.args[0])
    return ""


def _feeding(patterns: Iterable[Pattern], tasks: Collection[str]) -> tuple[Pattern, ...]:
    fed = [(pattern, tuple(feed for feed in pattern.feeds if feed["task"] in tasks)) for pattern in patterns]
    return tuple(pattern.model_copy(update={"feeds": feeds}) for pattern, feeds in fed if feeds)


def capital(text: str) -> str:
    """Capitalise the first letter."""
    return text[:1].upper() + text[1:]


class Values(dict[str, str]):
    """Template values, each also with its first letter in upper case ({Name}) or lower case ({name_})."""

    def __missing__(self, name: str) -> str:
        """Return the requested form of a value."""
        if name.endswith("_"):
            text = self[name[:-1]]
            return text[:1].lower() + text[1:]
        if name[:1].isupper():
            return capital(self[name[:1].lower() + name[1:]])
        raise KeyError(name)


def filled(template: str, values: Values) -> str:
    """Fill a template that `read` has validated; values are not parsed as templates."""
    return template.format_map(values)
