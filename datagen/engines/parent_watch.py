"""
Ensure that engine processes end with the process that opened the engine, even if it is killed.

vLLM starts a scheduler process, which holds the model or starts workers that do. When the opener is killed,
they would keep running and keep their memory. vLLM calls `hold` in each of its processes through the entry
point ``vllm.platform_plugins``, the earliest available, so that processes that are still loading are covered
too. `hold` waits for the opener to end and then kills its own process.
"""

import os
import select
import signal
import threading
import time
from collections.abc import MutableMapping

OPENER = "DATAGEN_ENGINE_OPENER"  # the opener's process id; engine processes inherit it
POLL_SECONDS = 1.0  # where the system cannot notify of a process's end


def tie(environment: MutableMapping[str, str]) -> None:
    """Make the engine processes that this process will start end with it."""
    environment[OPENER] = str(os.getpid())
    if "VLLM_PLUGINS" in environment:  # the allowed plugins
        names = [name for name in environment["VLLM_PLUGINS"].split(",") if name]
        environment["VLLM_PLUGINS"] = ",".join(dict.fromkeys([*names, "datagen"]))


def hold() -> None:
    """
    End this process when the opener ends.

    Does nothing in the opener, or in a vLLM that datagen did not start. The return value None means to vLLM
    that the plugin provides no platform.
    """
    opener = int(os.environ.get(OPENER, os.getpid()))
    if opener != os.getpid():
        threading.Thread(target=_watch, args=[opener], name="parent-watch", daemon=True).start()


def _watch(opener: int) -> None:
    try:
        end = os.pidfd_open(opener)  # Linux: readable once the process has ended
        select.select([end], [], [])
    except ProcessLookupError:
        pass  # already ended
    except (AttributeError, OSError):
        while _alive(opener):
            time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
