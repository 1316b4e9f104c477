"""The latest proof of a run (`datagen prove`), in short."""

from typing import NamedTuple
from urllib.parse import quote

from datagen.json_types import JsonObject
from datagen.run.folder import Run
from datagen.store.parquet import read_json

FOLDER, LATEST = "proof", "latest.json"  # written by `datagen.evaluate.prove.command`


class Proof(NamedTuple):
    """
    A proof.

    Parameters
    ----------
    page
        Address of its page, relative to the run's folder; "" if the page is missing.
    gain
        Whether the hand-off is better than one of its controls.
    target, seeds
        The fine-tuned model, and the number of fits per arm.
    sentences
        One per question, with the verdict.
    note
        Why the proof is incomplete; "" if it is complete.
    """

    page: str
    gain: bool
    target: str
    seeds: int
    sentences: list[str]
    note: str


def latest_proof(run: Run) -> Proof | None:
    """Read the conclusions of the newest proof; None if there is none or it cannot be read."""
    folder = run.folder / FOLDER
    try:
        latest: JsonObject = read_json(folder / LATEST)
        sentences = [str(sentence) for sentence in latest["sentences"]]
        target, name = str(latest["target"]["name"]), str(latest["folder"])
        page = f"{FOLDER}/{quote(name)}/proof.html" if (folder / name / "proof.html").is_file() else ""
        return Proof(
            page, bool(latest["gain"]), target, int(latest["seeds"]), sentences, str(latest.get("note") or "")
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
