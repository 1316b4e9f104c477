"""Files that a user names: one that is a pipe or a device is refused instead of waited for."""

import os
import signal

import pytest

from datagen.errors import UserError
from datagen.evaluate.honesty import read_model, read_set
from datagen.evaluate.prove.settings import general_texts
from datagen.recipe.load import load_recipe
from datagen.run.content import named_content
from datagen.stages.confidence.labels import file as labels
from datagen.stages.confidence.meta_rank import _read as read_references
from datagen.stages.exercises.pool import _task_of_file
from datagen.stages.shared.eval_sets import read_items
from datagen.stages.shared.language.matching import Aliases
from datagen.stages.sources.relevance import _text

READERS = {
    "recipe": load_recipe,
    "labels": labels.read,
    "references": read_references,
    "test set": lambda path: list(read_items(path, "against: set")),
    "aliases": lambda path: Aliases.load(path.parent, path.name),
    "task": _task_of_file,
    "domain": lambda path: _text(path, "domain"),
    "probe set": read_set,
    "model": lambda path: read_model(str(path)),
    "general texts": lambda path: general_texts(str(path)),
}


@pytest.fixture(autouse=True)
def no_waiting():
    """Fail a test that waits for the writer of a pipe; 60 seconds are enough on any machine."""

    def fail(number, frame):
        raise AssertionError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused(reader, tmp_path):
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    with pytest.raises(UserError, match="it is a pipe, not a file"):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
def test_a_link_to_a_device_is_refused(reader, tmp_path):
    path = tmp_path / "set.yaml"
    path.symlink_to("/dev/null")
    with pytest.raises(UserError, match="it is a device, not a file"):
        READERS[reader](path)


def test_the_key_of_a_stage_leaves_out_pipes_and_dangling_links_in_a_folder(tmp_path):
    sets = tmp_path / "sets"
    sets.mkdir()
    (sets / "a.jsonl").write_text("{}")
    before = named_content({"against": "sets"}, tmp_path)
    os.mkfifo(sets / "pipe.jsonl")
    (sets / "gone.jsonl").symlink_to("nowhere")
    assert named_content({"against": "sets"}, tmp_path) == before
