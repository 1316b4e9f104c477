"""What the user of ``datagen prove`` chooses, and the constants of the experiment."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datagen.errors import UserError
from datagen.schema import content_id

Arm = Literal["base", "raw", "raw_exposures", "reading", "pairs", "format_control", "unfiltered"]
ARMS: dict[Arm, str] = {
    "base": "the target, untrained",
    "raw": "raw passages",
    "raw_exposures": "raw passages, each seen as often as by the arm `reading`, with fewer tokens",
    "reading": "the hand-off's reading texts about the same passages",
    "pairs": "raw passages and the hand-off's closed-book pairs about them",
    "format_control": "raw passages and as many closed-book pairs about other documents",
    "unfiltered": "raw passages and as many pairs, drawn from those kept and those that filters dropped",
}

EPOCHS = 2.0  # of the raw passages that a budget of tokens buys
PAIR_REPEATS = 2  # of each pair in an epoch; a passage has one
HELD_BACK = 0.3  # of the pairs that stand alone: asked and not trained
DROPPED = 0.2  # share of dropped pairs above which the unfiltered arm is run
WINDOW = 512  # tokens of a sequence; longer texts are cut
STEP = 512  # tokens of an optimiser step, at least
FULL = 500_000_000  # parameters up to which all weights are trained; above, a LoRA adapter
RANK = 32  # of that adapter
RATE, LORA_RATE = 3e-4, 9e-4  # learning rates
WARMUP = 0.06
CLOZE_ITEMS = 8  # of a passage, at most
MOST_PASSAGES = 2_000
HELD_OUT = 8  # passages of validation documents whose loss is measured
GENERAL = 24  # general texts, likewise
DISTRACTORS = 3
LIKELY = 0.95  # of an interval


class Settings(BaseModel):
    """The choices of a proof."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arms: tuple[Arm, ...] = tuple(ARMS)
    seeds: int = Field(2, ge=1)
    minutes: float = Field(30, gt=0)  # what the whole should take, where `tokens` is not given
    tokens: int | None = Field(None, ge=1)  # trained by each arm
    target: str = ""  # left out: the recipe's
    general: str = ""  # a text file with blank lines between texts; left out: bundled
    worth: float = Field(0.03, gt=0, lt=1)  # smallest gain of P(gold) that counts
    seed: int = 0  # of all draws
    probe: str = ""  # a set of questions for `datagen probe`, before and after

    def fingerprint(self, *parts: str) -> str:
        """Hash what the fits depend on: these choices, as far as they do, and other parts."""
        chosen = self.model_dump_json(exclude={"seeds", "worth", "probe"})
        return content_id("prove", chosen, *parts)[:12]


def settings_of(arms: str, **given: Any) -> Settings:
    """
    Check the choices of a command line.

    Raises
    ------
    UserError
        Naming the option and what is wrong.
    """
    if arms:
        given["arms"] = tuple(name.strip() for name in arms.split(",") if name.strip())
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--{first['loc'][0]}: {first['msg']}") from error


def general_texts(path: str) -> list[str]:
    """
    Read the general texts on which forgetting is measured.

    Raises
    ------
    UserError
        When the file cannot be read or holds no text.
    """
    file = Path(path) if path else Path(__file__).with_name("general.txt")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--general {path}: it cannot be read as text: {error}") from error
    texts = [part.strip() for part in text.split("\n\n") if part.strip()]
    if not texts:
        raise UserError(f"--general {path}: it holds no text")
    return texts[:GENERAL]
