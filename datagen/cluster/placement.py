"""Let tasks run elsewhere when the workers that they prefer have left."""

from distributed import Scheduler, SchedulerPlugin


class FreePlacement(SchedulerPlugin):
    """
    Lets tasks that no worker can run start on any worker, when one joins.

    Once all workers have left, Dask lets a task wait for those that it prefers, even if others join.
    """

    name = "datagen-placement"
    idempotent = True  # registered by every run

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Let the waiting tasks run on any worker; the scheduler assigns them afterwards."""
        for task in scheduler.unrunnable:
            if task.loose_restrictions:
                task.worker_restrictions = None
