"""The recipe of a synthesizer: which labelled sets, which tasks, and how the adapter is trained."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from datagen.engines import bundled
from datagen.recipe.errors import explain, location, mistaken, read_yaml
from datagen.recipe.sections import Section, VllmModel

# What can be trained on (`datagen.synthesizer.remix.TEMPLATES`).
TASKS = (
    "marked_question",
    "answer",
    "unanswerable",
    "reasoned_answer",
    "extractive_question",
    "closed_book_question",
    "definition",
    "true_false",
    "yes_no",
)


class Mapping(Section):
    """Which field of a record holds what; a list of texts is joined."""

    passage: str = Field(description="The text that the question is about")
    question: str = Field(description="The question")
    title: str = Field("", description="What the text belongs to, if a field says it")
    answer: str = Field("", description="The answer, copied from the passage")
    verdict: str = Field("", description="yes, no or maybe")
    conclusion: str = Field("", description="The answer in a sentence or more, with its reason")


class LabelledSet(Section):
    """Paragraphs with questions and answers: people wrote them, or a run confirmed them."""

    path: str = Field(description="A file, relative to the recipe; .gz may follow its ending")
    format: Literal["squad", "records", "run", "corpus"] = Field(
        description="squad: SQuAD's JSON. records: JSON lines, or JSON with a list or an object of records. "
        "run: the folder of a finished run, whose confirmed pairs are learned from. corpus: documents that "
        "nobody has asked about, a file or a folder of any format that a run reads; rules ask, not people"
    )
    licence: str = Field(description="The set's licence, for the card")
    mapping: Mapping | None = Field(None, description="records: which field holds what")
    holdout: float = Field(0.1, ge=0, lt=1, description="Share of the paragraphs that is never trained on")
    most: int | None = Field(None, ge=1, description="Stop reading at so many questions")
    max_chars: int = Field(
        1200, ge=200, description="Longer passages are cut at the end of a sentence; a conclusion is kept"
    )

    @model_validator(mode="after")
    def _mapped(self) -> "LabelledSet":
        if (self.format == "records") != (self.mapping is not None):
            raise ValueError("mapping: goes with format: records, and only with it")
        return self


class Training(Section):
    """How the adapter is fitted."""

    rank: int = Field(16, ge=1, description="Rank of the adapter's matrices; the file grows with it")
    alpha: float = Field(32, gt=0, description="The adapter's output is scaled by alpha / rank")
    dropout: float = Field(0, ge=0, lt=1, description="Of the adapter's inputs")
    learning_rate: float = Field(8e-4, gt=0, description="Reached after the warm-up")
    warmup: float = Field(0.06, ge=0, lt=1, description="Share of the steps in which the rate rises")
    epochs: int = Field(3, ge=1, description="How often each row is seen")
    batch_size: int = Field(24, ge=1, description="Rows to a step")
    together: int = Field(8, ge=1, description="Rows about one passage that share its computation")
    max_tokens: int = Field(640, ge=64, description="Tokens of prompt and response; longer rows are dropped")
    minutes: float | None = Field(None, gt=0, description="Stop by then, with the schedule scaled to it")

    @model_validator(mode="after")
    def _divides(self) -> "Training":
        if self.batch_size % self.together:
            raise ValueError("batch_size: must be a multiple of together:")
        return self


class SynthesizerRecipe(Section):
    """One synthesizer, from labelled sets to an adapter."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Names the adapter")
    base: str = Field("bundled-chat", description="bundled-chat, bundled, or a folder with a checkpoint")
    sets: list[LabelledSet] = Field(min_length=1, description="What is trained on")
    over: str = Field(
        "",
        description="The adapter of the round before: one no better on the held-out rows is not taken",
    )
    tasks: dict[str, int | None] = Field(
        description="Tasks, each with the most rows that it gives, drawn by hash; null: all there are"
    )
    training: Training = Training()
    output: str = Field("outputs/synthesizer", description="Where the adapter lands, from the working folder")
    seed: int = Field(0, description="Draws other held-out paragraphs, samples and orders")
    file: Path = Field(default=Path("synthesizer.yaml"), exclude=True, description="Where it was read from")

    @field_validator("tasks")
    @classmethod
    def _known(cls, tasks: dict[str, int | None]) -> dict[str, int | None]:
        for name in tasks:
            if name not in TASKS:
                raise ValueError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
        return tasks

    @property
    def model(self) -> VllmModel:
        """The base model, named as in the recipe of a run."""
        name = self.base if self.base in bundled.NAMES else str(self.file.parent / self.base)
        return VllmModel(model=name)


def load_recipe(path: Path) -> SynthesizerRecipe:
    """
    Read a synthesizer's recipe.

    Raises
    ------
    RecipeError
        Naming file, line, key and fix, one line a mistake.
    """
    node, data = read_yaml(path, "the keys name, sets and tasks")
    try:
        return SynthesizerRecipe.model_validate(data | {"file": path.resolve()})
    except ValidationError as error:
        mistakes = [(location(part), explain(part, SynthesizerRecipe)) for part in error.errors()]
        raise mistaken(path, node, mistakes) from None
