"""A process of its own that has a sweep module imported, and answers questions about it.

The command line never imports a sweep module: importing ttnn takes seconds and a good part of the
memory, and a module may open cards to look at them, which would then be in use by the command that
is to reset them.  A module that crashes at import ends its own process only.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import uuid
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import psutil

from farm.errors import FarmError, PluginError
from farm.parent_death import end_with_parent
from farm.spawning import family, start_marked
from farm.tt_metal.description import ModuleDescription, describe
from farm.tt_metal.module import TtMetalModule, load_source
from farm.tt_metal.source import parse_source

IMPORT_TIMEOUT_S = 600.0
_END_S = 5.0

Setup = Callable[..., Callable[..., Any]]
"""Importable function: module, arguments -> the function that answers questions."""


class ModuleProcess:
    """One such process; a context manager that ends it.

    Parameters
    ----------
    source : str
        Of the module.
    setup : Callable
        Called there with the module and the arguments; what it returns answers questions.
    *arguments : object
        Must pickle.
    """

    def __init__(self, source: str, setup: Setup, *arguments: Any) -> None:
        self._name = parse_source(source)[1]
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._mark = uuid.uuid4().hex
        self._process = context.Process(
            target=_main, args=(os.getpid(), source, theirs, setup, arguments), daemon=True
        )
        start_marked(self._process, self._mark)
        theirs.close()

    def __enter__(self) -> ModuleProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        for process in family(self._process.pid, self._mark):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.join(_END_S)

    def ask(self, *question: Any) -> None:
        """Send a question; one at a time."""
        with contextlib.suppress(BrokenPipeError):  # `answer` says what became of the process
            self.connection.send(question)

    def answer(self, timeout_s: float | None = None) -> Any:
        """Wait for the answer.

        Raises
        ------
        FarmError
            If the module cannot be imported, or answering failed.
        PluginError
            If the process ended or did not answer in time.
        """
        try:
            if not self.connection.poll(timeout_s):
                raise PluginError(
                    f"--module {self._name}: its import does not end within {timeout_s:.0f} s; "
                    f"does it wait for a card?"
                )
            is_answer, answer = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(_END_S)
            raise PluginError(
                f"--module {self._name}: the process that had it imported {self._end()}"
            ) from error
        if is_answer:
            return answer
        raise answer

    def _end(self) -> str:
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


def describe_apart(source: str) -> ModuleDescription:
    """Describe a module without importing it here.

    Raises
    ------
    FarmError
        If it cannot be imported, or is no sweep module.
    """
    with ModuleProcess(source, _describer) as process:
        process.ask()
        description: ModuleDescription = process.answer(IMPORT_TIMEOUT_S)
        return description


def _describer(module: TtMetalModule) -> Callable[[], ModuleDescription]:
    return lambda: describe(module)


def _main(
    parent_pid: int, source: str, connection: Connection, setup: Setup, arguments: tuple[Any, ...]
) -> None:
    end_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)  # standard output belongs to the command; what a module prints is no part of it
    answer_of: Callable[..., Any] | None = None
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            question = connection.recv()
            try:
                answer_of = answer_of or setup(load_source(source), *arguments)
                reply = (True, answer_of(*question))
            except FarmError as error:
                reply = (False, error)
            except Exception as error:
                text = f"{parse_source(source)[1]}: {type(error).__name__}: {error}"
                reply = (False, PluginError(text))
            connection.send(reply)
