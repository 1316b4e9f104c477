"""Ask a check for its verdict."""

from datagen.request import Reject


def rejection(check, *arguments, **options):
    """Return the reason of a check's rejection; "" if it passes."""
    try:
        check(*arguments, **options)
    except Reject as rejected:
        return rejected.reason
    return ""
