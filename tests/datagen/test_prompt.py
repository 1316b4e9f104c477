"""Prompt files from any source: used, or rejected with the file's name."""

import pytest

from datagen.errors import UserError
from datagen.prompt import load


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"- user: x",
        b"just words",
        b"5: x",
        b"user: [x]",
        b"user: 5",
        b"system: {a: b}\nuser: x",
        b"user: x\nsince: 2024-02-30",
        b"user: &u {a: *u}",
        b"user: \xff",
        b"user: x\n\0",
        b"user: [" + b"[" * 100_000 + b"]" * 100_000 + b"]",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_a_file_that_is_not_a_prompt_is_named(tmp_path, data):
    (tmp_path / "odd.yaml").write_bytes(data)
    with pytest.raises(UserError, match=r"odd\.yaml"):
        load("odd", tmp_path)


def test_the_recipes_prompt_takes_precedence_over_the_built_in_one(tmp_path):
    (tmp_path / "mine.yaml").write_text("user: 'About {{ topic }}.'\nsystem:\n", encoding="utf-8")
    assert load("mine", tmp_path).render(topic="rain") == [{"role": "user", "content": "About rain."}]
