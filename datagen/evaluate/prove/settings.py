"""Options of ``datagen prove``, and constants of the experiment."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datagen.errors import UserError
from datagen.paths import regular
from datagen.schema import content_id

Arm = Literal[
    "base",
    "raw",
    "raw_exposures",
    "reading",
    "pairs",
    "format_control",
    "pairs_alone",
    "shuffled",
    "unfiltered",
]
ARMS: dict[Arm, str] = {
    "base": "the target, untrained",
    "raw": "raw passages",
    "raw_exposures": "raw passages, each seen as often as in the arm `reading`, with fewer tokens",
    "reading": "the hand-off's reading texts about the same passages",
    "pairs": "raw passages and the hand-off's closed-book pairs about them",
    "format_control": "raw passages and the same number of closed-book pairs about other documents",
    "pairs_alone": "the hand-off's closed-book pairs, without passages",
    "shuffled": "the same pairs with each other's answers, without passages",
    "unfiltered": "raw passages and the same number of pairs, sampled from kept and dropped ones",
}

ALONE: tuple[Arm, ...] = ("pairs_alone", "shuffled")  # without passages
EPOCHS = 2.0  # token budget of an arm, in epochs of the raw passages
ALONE_EPOCHS = 4  # of the pairs in the arms without passages
PAIR_REPEATS = 2  # repetitions of each pair per epoch
HELD_BACK = 0.3  # share of the self-contained pairs that is tested, not trained
DROPPED = 0.2  # share of dropped pairs above which the arm `unfiltered` is run
WINDOW = 512  # maximum tokens per sequence; longer texts are split
STEP = 512  # minimum tokens per optimiser step
FULL = 500_000_000  # parameters up to which all weights are trained; larger models get a LoRA adapter
RANK = 32  # of the adapter
RATE, LORA_RATE = 3e-4, 9e-4  # learning rates
WARMUP = 0.06
CLOZE_ITEMS = 8  # maximum per passage
MAX_PASSAGES = 2_000
HELD_OUT = 8  # passages of validation documents whose loss is measured
GENERAL = 24  # general texts whose loss is measured
DISTRACTORS = 3
LEVEL = 0.95  # confidence level of intervals


class Settings(BaseModel):
    """Options of a proof."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arms: tuple[Arm, ...] = tuple(ARMS)
    seeds: int = Field(2, ge=1)
    minutes: float = Field(30, gt=0)  # time limit, if `tokens` is not given
    tokens: int | None = Field(None, ge=1)  # trained by each arm
    target: str = ""  # default: the recipe's
    general: str = ""  # a text file with blank lines between texts; default: bundled
    worth: float = Field(0.03, gt=0, lt=1)  # smallest gain of P(gold) that counts
    seed: int = 0  # of all sampling
    probe: str = ""  # questions for `datagen probe`, before and after training

    def fingerprint(self, *parts: str) -> str:
        """Hash everything that the fits depend on: the relevant options, and `parts`."""
        chosen = self.model_dump_json(exclude={"seeds", "worth", "probe"})
        return content_id("prove", chosen, *parts)[:12]


def settings_of(arms: str, **choices: object) -> Settings:
    """
    Validate the options of a command line.

    Raises
    ------
    UserError
        Names the invalid option.
    """
    if arms:
        choices["arms"] = tuple(name.strip() for name in arms.split(",") if name.strip())
    try:
        return Settings.model_validate(choices)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--{first['loc'][0]}: {first['msg']}") from error


def general_texts(path: str) -> list[str]:
    """
    Read the general texts on which forgetting is measured.

    Raises
    ------
    UserError
        If the file cannot be read or contains no text.
    """
    file = Path(path) if path else Path(__file__).with_name("general.txt")
    try:
        text = regular(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--general {path}: cannot be read as text: {error}") from error
    texts = [part.strip() for part in text.split("\n\n") if part.strip()]
    if not texts:
        raise UserError(f"--general {path}: contains no text")
    return texts[:GENERAL]
