"""The recipe of a synthesizer: labelled sets, tasks, and training of the adapter."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from datagen.engines import bundled
from datagen.errors import hint
from datagen.recipe.errors import mistaken, mistakes_in, read_yaml
from datagen.recipe.roles import VllmModel
from datagen.recipe.sections import Section

# Tasks to train on (keys of `datagen.synthesizer.drafts.TEMPLATES`).
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
    """Field names in records; a field with a list of texts is joined."""

    passage: str = Field(description="The text that the question is about")
    question: str = Field(description="The question")
    title: str = Field("", description="Title of the document that the text belongs to")
    answer: str = Field("", description="The answer, copied from the passage")
    verdict: str = Field("", description="yes, no or maybe")
    conclusion: str = Field("", description="The answer in one or more sentences, with its reason")


class LabelledSet(Section):
    """Paragraphs with questions and answers, written by people or confirmed by a run."""

    path: str = Field(description="A file, relative to the recipe; may be compressed (.gz)")
    format: Literal["squad", "records", "run", "corpus"] = Field(
        description="squad: SQuAD's JSON. records: JSON lines, or JSON with a list or an object of records. "
        "run: the folder of a finished run, for its confirmed pairs. corpus: unlabelled documents, a file or "
        "a folder of any format that a run reads; rules generate the questions"
    )
    licence: str = Field(description="The set's licence, for the card")
    mapping: Mapping | None = Field(None, description="records: the field names")
    labels: str = Field(
        "",
        description="run: a file of labels; pairs judged wrong are left out. "
        "Default: labels.jsonl in the run's folder",
    )
    holdout: float = Field(0.1, ge=0, lt=1, description="Share of paragraphs excluded from training")
    most: int | None = Field(None, ge=1, description="Maximum number of questions to read")
    max_chars: int = Field(
        1200, ge=200, description="Longer passages are cut at a sentence end; a conclusion is kept"
    )

    @model_validator(mode="after")
    def _mapped(self) -> "LabelledSet":
        if (self.format == "records") != (self.mapping is not None):
            raise ValueError("mapping: is required with format: records, and not allowed otherwise")
        if self.labels and self.format != "run":
            raise ValueError("labels: is allowed with format: run only")
        return self


class Training(Section):
    """Training of the adapter."""

    rank: int = Field(16, ge=1, description="Rank of the adapter's matrices; determines the file size")
    alpha: float = Field(32, gt=0, description="The adapter's output is scaled by alpha / rank")
    dropout: float = Field(0, ge=0, lt=1, description="Dropout of the adapter's inputs")
    learning_rate: float = Field(8e-4, gt=0, description="Learning rate after the warm-up")
    warmup: float = Field(0.06, ge=0, lt=1, description="Share of the steps for the warm-up")
    epochs: int = Field(3, ge=1, description="Number of passes over the rows")
    batch_size: int = Field(24, ge=1, description="Rows per step")
    together: int = Field(
        8, ge=1, description="Maximum number of rows about one passage that share its prefix"
    )
    max_tokens: int = Field(640, ge=64, description="Tokens of prompt and response; longer rows are dropped")
    minutes: float | None = Field(None, gt=0, description="Time limit; the schedule is scaled to it")

    @model_validator(mode="after")
    def _divides(self) -> "Training":
        if self.batch_size % self.together:
            raise ValueError("batch_size: must be a multiple of together:")
        return self


class SynthesizerRecipe(Section):
    """One synthesizer, from labelled sets to an adapter."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the adapter")
    base: str = Field("bundled-chat", description="bundled-chat, bundled, or a folder with a checkpoint")
    sets: list[LabelledSet] = Field(min_length=1, description="The training data")
    over: str = Field(
        "",
        description="The previous round's adapter; the new one is rejected unless its held-out loss is lower",
    )
    tasks: dict[str, int | None] = Field(
        description="Task -> maximum number of rows, sampled by hash; null: all"
    )
    training: Training = Training()
    output: str = Field(
        "outputs/synthesizer", description="Folder for the adapter, relative to the working folder"
    )
    seed: int = Field(0, description="Seed of the holdout, the samples and the order")
    file: Path = Field(default=Path("synthesizer.yaml"), exclude=True, description="The recipe's file")

    @field_validator("tasks")
    @classmethod
    def _known(cls, tasks: dict[str, int | None]) -> dict[str, int | None]:
        for name in tasks:
            if name not in TASKS:
                raise ValueError(f"there is no task {name!r}; {hint(name, TASKS)}")
        return tasks

    @property
    def model(self) -> VllmModel:
        """The base model, as in the recipe of a run."""
        name = self.base if self.base in bundled.NAMES else str(self.file.parent / self.base)
        return VllmModel(model=name)


def load_recipe(path: Path) -> SynthesizerRecipe:
    """
    Read a synthesizer's recipe.

    Raises
    ------
    RecipeError
        Names file, line, key and fix, one line per error.
    """
    node, data = read_yaml(path, "the keys name, sets and tasks")
    try:
        return SynthesizerRecipe.model_validate(data | {"file": path.resolve()})
    except ValidationError as error:
        mistakes = mistakes_in(error, SynthesizerRecipe, data)
        raise mistaken(path, node, mistakes) from None
