"""The sums of a stage's progress over its partitions and its workers' messages."""

import pytest

from datagen.recipe.load import load_recipe
from datagen.request import Usage
from datagen.run.account import PartReport
from datagen.run.progress import Progress
from tests.support import toys

FIRST, SECOND = "part-00000.parquet", "part-00001.parquet"


class Watching(toys.SilentWatcher):
    def __init__(self):
        self.events = []

    def advance(self, stage, partitions, usage, under_way):
        self.events.append((stage, partitions, usage.completions, under_way))


def answered(progress, sender, part, share, completions=1, requests="requests"):
    progress.spent(sender, Usage(completions=completions), part, requests, share)


def test_answers_to_partitions_that_are_not_complete_are_progress():
    watcher = Watching()
    progress = Progress(watcher, "asking")
    answered(progress, "a", FIRST, 0.25)
    answered(progress, "b", SECOND, 0.5)
    answered(progress, "a", FIRST, 0.75)
    assert [under_way for *_, under_way in watcher.events] == [0.25, 0.75, 1.25]
    progress.part_done(PartReport(), [FIRST])
    answered(progress, "a", FIRST, 1.0)  # a message that arrives late
    assert [event[1::2] for event in watcher.events[-2:]] == [(1, 0.5), (1, 0.5)]


def test_a_partition_with_follow_ups_is_half_answered_after_the_first_requests():
    watcher = Watching()
    progress = Progress(watcher, "asking", turns=2)
    answered(progress, "a", FIRST, 1.0, 8)
    answered(progress, "b", FIRST, 0.5, 3, requests="follow_ups")
    assert watcher.events == [("asking", 0, 8, 0.5), ("asking", 0, 11, 0.75)]


@pytest.mark.cluster
def test_the_usage_includes_the_first_requests_and_the_follow_ups(tmp_path, monkeypatch, run_on_workers):
    monkeypatch.setattr(toys, "RECIPE", toys.RECIPE.replace("toys:asking", "toys:doubting"))
    watcher = Watching()
    done = run_on_workers(load_recipe(toys.write_recipe(tmp_path)), tmp_path / "outputs", watcher)
    spent = done.stage_record("asking")["requests"]["completions"]
    assert spent > 24  # of the first requests
    assert max(completions for _, _, completions, _ in watcher.events) == spent
