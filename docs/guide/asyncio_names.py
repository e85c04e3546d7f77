"""Lists the public names of asyncio, for `asyncio-3.13.txt` beside this file.

    python3.13 docs/guide/asyncio_names.py > docs/guide/asyncio-3.13.txt

The names that every module exports, and the public methods and attributes of what a program
meets. What only Windows has, and what an object gets when it is made, is written down by hand.
"""

import asyncio
import importlib
import pkgutil
import sys

OWN = {
    "loop": asyncio.SelectorEventLoop, "Future": asyncio.Future, "Task": asyncio.Task,
    "Handle": asyncio.Handle, "TimerHandle": asyncio.TimerHandle,
    "StreamReader": asyncio.StreamReader, "StreamWriter": asyncio.StreamWriter,
    "Server": asyncio.Server, "Lock": asyncio.Lock, "Event": asyncio.Event,
    "Condition": asyncio.Condition, "Semaphore": asyncio.Semaphore,
    "Barrier": asyncio.Barrier, "Queue": asyncio.Queue, "Runner": asyncio.Runner,
    "TaskGroup": asyncio.TaskGroup, "Timeout": asyncio.Timeout,
    "Process": asyncio.subprocess.Process,
}
INHERITED = {"TimerHandle": asyncio.Handle}
ALONE = """BaseTransport ReadTransport WriteTransport DatagramTransport SubprocessTransport
    BaseProtocol Protocol BufferedProtocol DatagramProtocol SubprocessProtocol
    AbstractEventLoopPolicy""".split()
SPECIAL = ("__await__", "__aenter__", "__aiter__")
BY_HAND = """asyncio.ProactorEventLoop asyncio.IocpProactor asyncio.WindowsSelectorEventLoopPolicy
    asyncio.WindowsProactorEventLoopPolicy asyncio.windows_utils.pipe asyncio.windows_utils.Popen
    asyncio.windows_utils.PIPE asyncio.windows_utils.PipeHandle
    asyncio.subprocess.PIPE asyncio.subprocess.STDOUT asyncio.subprocess.DEVNULL
    asyncio.subprocess.Process
    loop.slow_callback_duration Condition.acquire Condition.locked Condition.release
    IncompleteReadError.partial IncompleteReadError.expected LimitOverrunError.consumed
    Process.pid Process.stdin Process.stdout Process.stderr""".split()


def public(cls, names):
    return [name for name in sorted(names) if not name.startswith("_")]


def names():
    for module in sorted(pkgutil.iter_modules(asyncio.__path__)):
        if module.name.startswith("windows") or module.name == "__main__":
            continue
        exported = getattr(importlib.import_module(f"asyncio.{module.name}"), "__all__", ())
        for name in exported:
            inner = "" if name in asyncio.__all__ else f"{module.name}."
            yield f"asyncio.{inner}{name}"
    for name in asyncio.__all__:
        yield f"asyncio.{name}"
    for label, cls in OWN.items():
        inherited = dir(INHERITED[label]) if label in INHERITED else ()
        for name in public(cls, set(dir(cls)) - set(inherited)):
            yield f"{label}.{name}"
        for name in SPECIAL:
            if hasattr(cls, name):
                yield f"{label}.{name}"
    for label in ALONE:
        cls = getattr(asyncio, label)
        for name in public(cls, vars(cls)):
            yield f"{label}.{name}"
    yield from BY_HAND


if __name__ == "__main__":
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"# The public names of asyncio in CPython {version}, made by asyncio_names.py.")
    print("\n".join(sorted(set(names()))))
