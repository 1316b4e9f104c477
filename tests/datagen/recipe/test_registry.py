"""Names of stages and tasks: each has one meaning, whatever packages are installed."""

import pytest

from datagen.errors import UserError
from datagen.recipe import registry
from datagen.recipe.registry import BUILT_IN, find_stage, installed_stages
from datagen.stages.exercises.task import find_task

CACHES = (find_stage, installed_stages, registry._offers, find_task)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package with one entry point."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(package, group, entry):
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
        for cached in CACHES:
            cached.cache_clear()

    yield install
    for cached in CACHES:
        cached.cache_clear()


def test_a_package_adds_a_stage_after_the_built_in_ones(install):
    install("acme", "datagen.stages", "trim = datagen.stages.filter.curate:stage")
    assert list(installed_stages()) == [*(stage.name for stage in BUILT_IN), "trim"]
    assert find_stage("trim") is find_stage("curate")


@pytest.mark.parametrize(
    ("group", "find", "kind", "built_in"),
    [("datagen.stages", find_stage, "stage", "dedup"), ("datagen.instruct", find_task, "task", "summary")],
)
class TestClashes:
    def test_a_name_of_two_packages_is_an_error_that_lists_both(self, install, group, find, kind, built_in):
        install("acme", group, "polish = acme:polish")
        install("umbrella", group, "polish = umbrella.work:polish")
        with pytest.raises(UserError) as error:
            find("polish")
        assert (
            f"the {kind} 'polish': acme (acme:polish) and umbrella (umbrella.work:polish); use the import string"
            in str(error.value)
        )

    def test_a_package_cannot_replace_or_be_hidden_by_a_built_in_one(
        self, install, group, find, kind, built_in
    ):
        install("acme", group, f"{built_in} = acme:other")
        with pytest.raises(UserError, match=r"datagen \(datagen\.stages\..*\) and acme \(acme:other\)"):
            find(built_in)

    def test_two_entries_for_the_same_object_do_not_clash(self, install, group, find, kind, built_in):
        before = find(built_in)
        where = {"stage": "datagen.stages.filter.dedup", "task": "datagen.stages.exercises.tasks.summary"}[
            kind
        ]
        attribute = {"stage": "stage", "task": "task"}[kind]
        install("acme", group, f"{built_in} = {where}:{attribute}")
        assert find(built_in) is before
