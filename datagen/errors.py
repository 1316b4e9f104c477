"""Errors that a user can mend."""


class UserError(Exception):
    """
    Something in the user's hands is wrong.

    The message says what, where and what to do; the command line prints it without a traceback.
    """
