"""Errors that a user can mend."""


class UserError(Exception):
    """
    Something in the user's hands is wrong.

    The message says what, where and what to do; the command line prints it without a traceback.
    """


class BudgetSpent(Exception):
    """The run has spent its budget; the message says what, where it stopped, and how it goes on."""
