"""
The budget of a run, and how the run stops when it is spent.

Every worker process has an allowance for the stage, from which it deducts its own answers at once. The runner
receives the spending of all workers twice a second; when the budget is spent, it closes all allowances. A
closed allowance admits no more requests; those in flight are answered and stored. So with one engine a run
sends no request over its budget, and exceeds its token budget by at most the requests in flight (the model's
``window``). Each additional engine adds its own window and its answers of half a second.
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


def stop_message(budget: Budget, spent: Usage, stage: str) -> str:
    """Return the message to the user: why the run stopped, what it has spent, and how to resume it."""
    parts = spent_parts(budget, spent)
    return (
        f"stopped: budget. In stage {stage} the run had spent its {' and '.join(parts)}: in total, "
        f"{spent.completions:,} requests, {spent.prompt_tokens:,} prompt tokens and "
        f"{spent.completion_tokens:,} completion tokens. Every answer is kept. To resume, run again with a "
        f"higher budget, in the recipe or as {' '.join(f'--set budget.{part}=N' for part in parts)}"
    )


class Allowance:
    """
    The amount that one worker process may still spend in one stage.

    Parameters
    ----------
    budget
        The run's budget.
    spent
        The run's spending when the stage began.
    """

    def __init__(self, budget: Budget, spent: Usage) -> None:
        self._budget, self._spent, self._sent = budget, spent, spent.completions
        self._limited = budget != Budget()
        self._empty = bool(spent_parts(budget, spent))
        self.closed = False  # set by the runner, even if the allowance is not used up

    def admit(self, request: object) -> bool:
        """Check whether one more request may be sent; if so, count it as sent."""
        requests = self._budget.requests
        if self.closed or self._empty or (requests is not None and self._sent >= requests):
            return False
        self._sent += 1
        return True

    def give_back(self) -> None:
        """Uncount a request that got no answer."""
        self._sent -= 1

    def pay(self, usage: Usage) -> None:
        """Deduct the cost of an answer."""
        if self._limited and not self._empty:
            self._spent += usage
            self._empty = bool(spent_parts(self._budget, self._spent))


_allowances: dict[str, Allowance] = {}


def allowance(topic: str, budget: Budget, spent: Usage) -> Allowance:
    """
    Return this process's allowance for a stage.

    It is identified by the topic under which the stage's workers report their spending. Without a topic, this
    process is the only one that spends.
    """
    return _allowances.setdefault(topic, Allowance(budget, spent)) if topic else Allowance(budget, spent)


def close(topic: str) -> None:
    """Close this process's allowance for a stage, whether or not it exists yet."""
    allowance(topic, Budget(), Usage()).closed = True


def is_closed(topic: str) -> bool:
    """Check whether the allowance for a stage was closed."""
    return topic in _allowances and _allowances[topic].closed
