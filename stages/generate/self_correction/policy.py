"""Policies: a rule for answers, and the patterns that detect a sentence that breaks it."""

import re
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from datagen.errors import UserError
from datagen.stage import Context


class Policy(BaseModel):
    """
    A policy file, such as ``prompts/corrections/prices.yaml``.

    A safety policy has the same form: its patterns match harmful text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    name: str
    category: str = Field(description="The category of the rule, such as house rule or medical safety")
    rule: str = Field(description="The system message")
    what: str = Field(description="What the answer must not contain, as in: I named a price")
    instead: tuple[str, ...] = Field(min_length=1, description="Where to find it, in whole sentences")
    broken: tuple[str, ...] = Field(min_length=1, description="Regular expressions, case-insensitive")

    @field_validator("broken")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return patterns

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{pattern})" for pattern in self.broken), re.IGNORECASE)

    def broken_by(self, text: str) -> bool:
        """Check whether a text breaks the rule."""
        return bool(self._pattern.search(text))


def load_policy(context: Context, name: str) -> Policy:
    """
    Load a policy file by its path in ``prompts/`` without suffix; files of the recipe take precedence.

    Raises
    ------
    UserError
        If it is not a policy, or its own text breaks the policy.
    """
    fields = context.prompt(name).fields
    try:
        policy = Policy.model_validate({"name": name.rpartition("/")[2], **fields})
    except (ValidationError, TypeError) as error:
        raise UserError(f"{name}.yaml is not a policy: {error}") from error
    for text in (policy.rule, policy.what, *policy.instead):
        if policy.broken_by(text):
            raise UserError(f"{name}.yaml: broken: matches the policy's own text {text!r}; make it narrower")
    return policy
