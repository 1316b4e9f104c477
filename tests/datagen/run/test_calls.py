"""Function calls on all workers from within a task."""

import threading

import pytest
from distributed import Client, LocalCluster, fire_and_forget, get_client

from datagen.run.tasks import _on_all_workers

pytestmark = pytest.mark.cluster

BUSY, FREE = threading.Event(), threading.Event()


def occupy():
    BUSY.set()
    assert FREE.wait(60)


def call(item):
    """Occupy the worker's only thread after the last call."""
    if item == 3:
        fire_and_forget(get_client().submit(occupy, pure=False))
    return -item


def whole():
    return _on_all_workers(call, [1, 2, 3])


def test_a_task_does_not_wait_for_a_free_thread_after_its_calls():
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        try:
            assert client.submit(whole, pure=False).result(timeout=30) == [-1, -2, -3]
            assert BUSY.wait(30) and not FREE.is_set()
        finally:
            FREE.set()
