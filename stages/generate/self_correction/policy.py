"""A rule that answers must keep, and the patterns by which a sentence that breaks it is found."""

import re
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from datagen.errors import UserError
from datagen.stage import Context


class Policy(BaseModel):
    """
    A policy file: ``prompts/corrections/prices.yaml`` is one.

    One of safety is written like any other: its category named, its patterns those of the harmful text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    name: str
    category: str = Field(description="What sort of rule it is: house rule, medical safety")
    rule: str = Field(description="The system message")
    what: str = Field(description="What must not be said, as in: I named a price")
    instead: tuple[str, ...] = Field(min_length=1, description="Where to go for it, in whole sentences")
    broken: tuple[str, ...] = Field(min_length=1, description="Regular expressions, in any case of letters")

    @field_validator("broken")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return patterns

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{pattern})" for pattern in self.broken), re.IGNORECASE)

    def broken_by(self, text: str) -> bool:
        """Tell whether a text breaks the rule."""
        return bool(self._pattern.search(text))


def load_policy(context: Context, name: str) -> Policy:
    """
    Read a policy file by its path in ``prompts/`` without the ending; the recipe's own come first.

    Raises
    ------
    UserError
        When it is no policy, or its own words break it.
    """
    fields: Any = context.prompt(name).fields
    try:
        policy = Policy.model_validate({"name": name.rpartition("/")[2], **fields})
    except (ValidationError, TypeError) as error:
        raise UserError(f"{name}.yaml is no policy: {error}") from error
    for text in (policy.rule, policy.what, *policy.instead):
        if policy.broken_by(text):
            raise UserError(f"{name}.yaml: broken: fits the policy's own words {text!r}; make it narrower")
    return policy
