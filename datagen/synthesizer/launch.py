"""Train a synthesizer in a child process (`datagen.training.process`)."""

import subprocess
import sys
from pathlib import Path

from datagen.errors import UserError
from datagen.training.process import environment, require


def launch(recipe: Path, folder: Path, steps: int = -1) -> None:
    """
    Train a synthesizer and wait until it finishes.

    Raises
    ------
    UserError
        If a library is missing, or the training failed (its error has been printed).
    """
    require("torch", "transformers", "peft", "trl", "datasets")
    command = [sys.executable, "-m", "datagen.synthesizer.train", str(recipe), str(folder), str(steps)]
    process = subprocess.run(command, env=environment())
    if process.returncode:
        raise UserError(f"the training failed with exit status {process.returncode}; see the error above")
