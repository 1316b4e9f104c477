"""
What a run may spend on answers, and how it stops when that is spent.

Every worker process holds a purse for the stage. Its own answers are taken from it at once; what other
workers spend is known to the runner, which hears of it twice a second and then shuts all purses. A shut
purse sends no request more; those in flight are answered and kept. So with one engine a run asks no
request over its budget, and spends no more tokens over it than the requests in flight take (the model's
``window``); each further engine adds its own window and what it answers in half a second.
"""

from datagen.recipe.sections import Budget
from datagen.request import Usage


def spent_parts(budget: Budget, spent: Usage) -> list[str]:
    """List the parts of the budget that are spent."""
    amounts = {
        "requests": spent.completions,
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
    }
    return [part for part, limit in budget if limit is not None and amounts[part] >= limit]


def last_words(budget: Budget, spent: Usage, stage: str) -> str:
    """Tell the user why the run stopped, what it has spent, and how it goes on."""
    parts = spent_parts(budget, spent)
    return (
        f"stopped: budget. In stage {stage} the run had spent its {' and '.join(parts)}: in all, "
        f"{spent.completions:,} requests, {spent.prompt_tokens:,} prompt tokens and "
        f"{spent.completion_tokens:,} completion tokens. Every answer is kept. To go on, run again with a "
        f"higher budget, in the recipe or as {' '.join(f'--set budget.{part}=N' for part in parts)}"
    )


class Purse:
    """
    What one worker process may still spend in one stage.

    Parameters
    ----------
    budget
        The run's.
    spent
        What the run had spent when the stage began.
    """

    def __init__(self, budget: Budget, spent: Usage) -> None:
        self._budget, self._spent, self._sent = budget, spent, spent.completions
        self._empty = bool(spent_parts(budget, spent))
        self.shut = False  # by the runner, whatever is left

    def admit(self, request: object) -> bool:
        """Say whether one more request may be sent, and count on it that it is."""
        requests = self._budget.requests
        if self.shut or self._empty or (requests is not None and self._sent >= requests):
            return False
        self._sent += 1
        return True

    def give_back(self) -> None:
        """Count no more on a request that came to nothing."""
        self._sent -= 1

    def pay(self, usage: Usage) -> None:
        """Take what an answer cost."""
        self._spent += usage
        self._empty = self._empty or bool(spent_parts(self._budget, self._spent))


_purses: dict[str, Purse] = {}


def purse(topic: str, budget: Budget, spent: Usage) -> Purse:
    """
    Give this process's purse for a stage.

    It goes by the topic under which the stage's workers tell what they spend; without one nobody else spends.
    """
    return _purses.setdefault(topic, Purse(budget, spent)) if topic else Purse(budget, spent)


def shut(topic: str) -> None:
    """Shut this process's purse for a stage, be it opened yet or not."""
    purse(topic, Budget(), Usage()).shut = True


def is_shut(topic: str) -> bool:
    """Say whether the purse for a stage was shut."""
    return topic in _purses and _purses[topic].shut
