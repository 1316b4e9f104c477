"""File system errors are reported to the user from any place in the code."""

import errno
import os

import pytest

from datagen.errors import UserError
from datagen.store.disk import ADVICE, translate_file_errors, translating_file_errors


@pytest.mark.parametrize("number", ADVICE)
def test_every_error_is_reported_with_path_and_advice(number):
    with pytest.raises(UserError) as error, translate_file_errors():
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
def test_an_error_wrapped_by_a_library_is_reported(cause):
    with pytest.raises(UserError, match=r"No space left on device.*Make room"):
        translating_file_errors(wrapped, cause)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        FileNotFoundError(errno.ENOENT, "gone", "x"),
        ConnectionRefusedError(errno.ECONNREFUSED, "no"),
    ],
)
def test_other_errors_are_unchanged(error):
    with pytest.raises(type(error)) as raised, translate_file_errors():
        raise error
    assert raised.value is error


def test_a_reported_error_is_not_reported_again():
    with pytest.raises(UserError, match=r"^mine$"), translate_file_errors():
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            raise UserError("mine") from error
