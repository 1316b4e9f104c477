"""What a file system refuses is told to the user, wherever it was met."""

import errno
import os

import pytest

from datagen.errors import UserError
from datagen.store.disk import ADVICE, telling, told


@pytest.mark.parametrize("number", ADVICE)
def test_every_refusal_is_told_with_its_path_and_what_to_do(number):
    with pytest.raises(UserError) as error, told():
        raise OSError(number, os.strerror(number), "/outputs/[a]::b")
    assert str(error.value).startswith(
        f"/outputs/[a]::b could not be read or written: {os.strerror(number)}. "
    )
    assert ADVICE[number] in str(error.value)
    assert "run the same command again" in str(error.value)


def wrapped(cause):
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError as error:
        if cause:
            raise RuntimeError("An error occurred while generating the dataset") from error
        raise RuntimeError("An error occurred while generating the dataset")  # noqa: B904


@pytest.mark.parametrize("cause", [True, False])
def test_a_refusal_that_a_library_wrapped_is_told_too(cause):
    with pytest.raises(UserError, match=r"No space left on device.*Make room"):
        telling(wrapped, cause)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        FileNotFoundError(errno.ENOENT, "gone", "x"),
        ConnectionRefusedError(errno.ECONNREFUSED, "no"),
    ],
)
def test_anything_else_stays_what_it_is(error):
    with pytest.raises(type(error)) as raised, told():
        raise error
    assert raised.value is error


def test_what_is_told_already_is_not_told_again():
    with pytest.raises(UserError, match=r"^mine$"), told():
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            raise UserError("mine") from error
