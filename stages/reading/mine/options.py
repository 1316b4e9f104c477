"""What a recipe may set for mining."""

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
    """What may be set for mining."""

    language: str = Field(
        "",
        description="Names the file of patterns and templates: mined/LANGUAGE in prompts/; left out: each "
        "document's own language",
    )
    layouts: str = Field(
        "", description="File of layouts that bind passage and exercises; left out: the language's own"
    )
    tasks: tuple[Task, ...] = Field(
        get_args(Task),
        min_length=1,
        description="Exercises to look for; where they compete for a sentence, the rarer one wins",
    )
    structure: bool = Field(
        False,
        description="Open each text with its place in its document's tree of headings; ask for no title",
    )
    max_per_task: int = Field(3, ge=1, description="Exercises of one task in a text")
    max_per_text: int = Field(6, ge=1, description="Exercises in a text")
    shortest: int = Field(50, ge=1, description="Characters of a sentence that is asked about, at least")
    longest: int = Field(500, ge=1, description="Characters of a sentence that is asked about, at most")
    vocabulary: int = Field(
        32_000, ge=1, description="Pieces of the vocabulary trained on the corpus, which gives domain words"
    )
    general: str = Field(
        "",
        description="General vocabulary, whose words are no domain words: a tokenizer as in tokenizer; left "
        "out: the language's list",
    )
    domain_words: int = Field(
        3, ge=1, description="Times that a domain word must occur in the corpus, at least"
    )
    max_chars: int = Field(8000, ge=1, description="Characters of a text, where no tokenizer is given")
    max_tokens: int = Field(2048, ge=1, description="Tokens of a text, where a tokenizer is given")

    @property
    def asked(self) -> list[str]:
        """The tasks, without those whose answer the tree of headings gives away."""
        return [task for task in self.tasks if not (self.structure and task in ("title", "writing"))]

    @property
    def bound(self) -> int:
        """The bound of a text, in the ruler's unit."""
        return self.max_tokens if self.tokenizer else self.max_chars
