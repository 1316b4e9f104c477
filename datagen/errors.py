"""Errors that a user can fix."""


class UserError(Exception):
    """
    An error in the recipe, a file, the environment or anything else that the user controls.

    The message states what is wrong, where, and what to do. The command line prints it without a traceback.
    """


class BudgetSpent(Exception):
    """The run has used up its budget; the message states which, where it stopped, and how to resume."""
