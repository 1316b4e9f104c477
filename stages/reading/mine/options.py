"""The options of mining."""

from typing import Literal, get_args

from pydantic import Field

from datagen.stages.shared.token_budget import TokenTarget

Task = Literal[
    "title",
    "writing",
    "heading",
    "summary",
    "keywords",
    "definition",
    "term",
    "entry",
    "cause",
    "effect",
    "condition",
    "consequence",
    "relation",
    "inference",
    "paraphrase",
    "completion",
    "enumeration",
]


class Options(TokenTarget):
    """The options of the stage mine."""

    language: str = Field(
        "",
        description="Language of all documents, for the file prompts/mined/LANGUAGE; unset: the detected "
        "language of each document",
    )
    layouts: str = Field(
        "", description="File with the layouts of the texts; unset: the layouts of the language"
    )
    tasks: tuple[Task, ...] = Field(
        get_args(Task),
        min_length=1,
        description="Exercises to mine; if several match a sentence, the rarest task is used",
    )
    structure: bool = Field(
        False,
        description="Start each text with its position in the document's heading tree; disables the tasks "
        "title and writing",
    )
    raw_without_exercises: bool = Field(
        False, description="Keep a passage without exercises as a text without exercises"
    )
    max_per_task: int = Field(3, ge=1, description="Maximum exercises of one task per text")
    max_per_text: int = Field(6, ge=1, description="Maximum exercises per text")
    shortest: int = Field(50, ge=1, description="Minimum length of a sentence for an exercise, in characters")
    longest: int = Field(500, ge=1, description="Maximum length of a sentence for an exercise, in characters")
    vocabulary: int = Field(
        32_000, ge=1, description="Size of the vocabulary trained on the corpus to find domain words"
    )
    general: str = Field(
        "",
        description="General vocabulary, whose words are not domain words: a tokenizer, as for tokenizer; "
        "unset: the word list of the language",
    )
    domain_words: int = Field(3, ge=1, description="Minimum occurrences of a domain word in the corpus")
    max_chars: int = Field(8000, ge=1, description="Maximum characters of a text, without a tokenizer")
    max_tokens: int = Field(2048, ge=1, description="Maximum tokens of a text, with a tokenizer")

    @property
    def asked(self) -> list[str]:
        """The tasks, without those whose answer the heading tree reveals."""
        return [task for task in self.tasks if not (self.structure and task in ("title", "writing"))]

    @property
    def bound(self) -> int:
        """The longest text, in the unit of the ruler."""
        return self.max_tokens if self.tokenizer else self.max_chars
