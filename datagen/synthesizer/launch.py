"""Train a synthesizer in a process of its own (`datagen.training.process`)."""

import subprocess
import sys
from pathlib import Path

from datagen.errors import UserError
from datagen.training.process import environment, require


def launch(recipe: Path, folder: Path, steps: int = -1) -> None:
    """
    Train a synthesizer and wait for it.

    Raises
    ------
    UserError
        If a library is missing, or the training failed (its error has been printed).
    """
    require("torch", "transformers", "peft", "trl", "datasets")
    command = [sys.executable, "-m", "datagen.synthesizer.train", str(recipe), str(folder), str(steps)]
    done = subprocess.run(command, env=environment())
    if done.returncode:
        raise UserError(f"the training ended with exit status {done.returncode}; see the cause above")
