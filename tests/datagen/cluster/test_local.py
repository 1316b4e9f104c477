"""The local cluster: only the run itself has access."""

import os
import socket
import urllib.error
import urllib.request

import dask
import psutil
import pyarrow as pa
import pytest
from distributed import Client
from distributed.security import Security

pytestmark = pytest.mark.cluster


@pytest.fixture
def client(workers):
    return workers


def listening(client):
    """List addresses at which the processes of the run listen."""
    me = psutil.Process()
    workers = client.run(
        lambda: (
            [process.pid for process in psutil.Process().children(recursive=True)] + [psutil.Process().pid]
        )
    )
    processes = {
        *me.children(recursive=True),
        *(psutil.Process(pid) for pids in workers.values() for pid in pids),
        me,
    }
    return [
        connection.laddr
        for process in processes
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]


def test_nothing_listens_beyond_this_machine(client):
    before = socket.create_server(("127.0.0.1", 0))  # proves that listening sockets are detected
    sockets = listening(client)
    assert before.getsockname()[1] in {address.port for address in sockets}
    assert len(sockets) > 5
    assert {address.ip for address in sockets} == {"127.0.0.1"}
    before.close()


def test_workers_may_keep_freed_memory_for_the_next_array(client):
    name = "MALLOC_TRIM_THRESHOLD_"
    assert {*client.run(os.environ.get, name).values()} == {os.environ.get(name)}


def test_a_worker_has_one_heap(client):
    assert {*client.run(arrow_pool).values()} == {"system"}
    assert {*client.run(os.environ.get, "MALLOC_ARENA_MAX").values()} == {"1"}


def arrow_pool():
    return pa.default_memory_pool().backend_name


def addresses(client):
    info = client.scheduler_info(n_workers=-1)
    return [info["address"], *info["workers"], *(worker["nanny"] for worker in info["workers"].values())]


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_every_process_refuses_clients_without_the_runs_keys(client, protocol):
    other = Security.temporary() if protocol == "tls" else None  # keys, but not these
    assert len(addresses(client)) == 5
    for address in addresses(client):
        port = address.rpartition(":")[2]
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
            pytest.raises((OSError, TimeoutError)),
        ):
            Client(f"{protocol}://127.0.0.1:{port}", security=other, timeout=2).close()
    assert client.submit(sum, [1, 2]).result() == 3


def test_no_web_page_shows_the_run(client):
    answered = 0
    for address in listening(client):
        for page in ("info/main/workers.html", "health", "json/identity.json", "metrics"):
            try:
                urllib.request.urlopen(f"http://{address.ip}:{address.port}/{page}", timeout=2)
            except urllib.error.HTTPError as error:
                assert error.code == 404
                answered += 1
            except OSError:
                pass  # no web server
            else:
                raise AssertionError(f"{page} is served")
    assert answered > 0


def test_keys_are_in_no_file_and_no_command_line(client):
    for process in psutil.Process().children(recursive=True):
        assert "PRIVATE KEY" not in " ".join(process.cmdline())
        assert not any("PRIVATE KEY" in value for value in process.environ().values())
