"""The code blocks of a page, carried out from top to bottom in one folder.

- a block with ``title="shop.yaml"`` is written to that file; a ``pyproject.toml`` is as good as
  installed
- ``console``: each line after ``$ `` is a command, what follows is what it prints; ``...`` stands
  for anything, as in doctest
- ``python``: executed; ``pycon``: executed and compared; both share one namespace for the page
- all else, such as ``sh`` and ``text``, is left alone

``python -m tests.docs.blocks docs/tutorial.md ...`` writes what is printed now into the console
blocks that hold no ``...``.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hocket.cli import main
from hocket.core import registry

FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    language: str
    title: str
    body: str
    line: int
    span: tuple[int, int]


def blocks(text: str) -> Iterator[Block]:
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found[1], found[2] or "", found[3], line, found.span(3))


def commands(body: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block with the output that is shown under it."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def output(command: str) -> str:
    """What a command prints on standard output and then on standard error."""
    command, _, target = command.partition(" > ")
    words = shlex.split(command)
    if words[0] == "python":
        done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True)
        text = done.stdout + done.stderr
    else:
        assert words[0] == "hocket", f"this command is not run by the tests: {command}"
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(words[1:])
        text = out.getvalue() + err.getvalue()
    if target:
        Path(target).write_text(text)
        return ""
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


def write(block: Block) -> None:
    """Put the file of a block with a title in its place."""
    path = Path(block.title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.body)
    if path.name == "pyproject.toml":
        announce(tomllib.loads(block.body)["project"])


def announce(project: dict[str, Any]) -> None:
    """What installing in place leaves behind: the entry points, where Python looks for them."""
    info = Path(f"{project['name']}-{project['version']}.dist-info")
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    registry.refresh()


def differences(page: Path) -> list[str]:
    """Carry out a page in the current folder; what came out otherwise than shown."""
    checker, wrong = doctest.OutputChecker(), []
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}:{block.line}"
        if block.title:
            write(block)
        elif block.language == "python":
            exec(compile(block.body, where, "exec"), names)
        elif block.language == "pycon":
            test = doctest.DocTestParser().get_doctest(block.body, names, where, where, 0)
            report = io.StringIO()
            runner = doctest.DocTestRunner(optionflags=FLAGS)
            runner.run(test, out=report.write, clear_globs=False)
            names |= test.globs
            if report.getvalue():
                wrong.append(report.getvalue())
        elif block.language == "console":
            for command, shown in commands(block.body):
                printed = output(command)
                if not checker.check_output(f"{shown.strip()}\n", f"{printed.strip()}\n", FLAGS):
                    wrong.append(f"{where}: $ {command}\nshown:\n{shown}\nprinted:\n{printed}")
    return wrong


def renewed(page: Path) -> str:
    """The page with the outputs of today; carried out in the current folder."""
    text = page.read_text(encoding="utf-8")
    parts, last = [], 0
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(text):
        if block.title:
            write(block)
        elif block.language == "python":  # it may leave files that commands read
            exec(compile(block.body, page.name, "exec"), names)
        if block.language != "console":
            continue
        made = ""
        for command, shown in commands(block.body):
            printed = output(command)
            kept = shown if "..." in shown else f"{printed}\n" if printed else ""
            made += f"$ {command}\n{kept}"
        parts += [text[last : block.span[0]], made]
        last = block.span[1]
    return "".join([*parts, text[last:]])


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        home = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            sys.path.insert(0, folder)
            page.write_text(renewed(page), encoding="utf-8")
            os.chdir(home)
