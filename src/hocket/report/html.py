"""The report page: one HTML file that opens from anywhere, offline, and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from hocket.core.errors import InputError
from hocket.core.writing import write_bytes
from hocket.report.document import Document

SCRIPTS = (
    "base.js",
    "layout.js",
    "paint.js",
    "gantt.js",
    "pointer.js",
    "figures.js",
    "plots.js",
    "strips.js",
    "page.js",
)
"""The page's script, in the order in which its parts are joined."""


def render(document: Document) -> str:
    """The page. The same document gives the same text.

    Texts of the document reach the page only as JSON whose angle brackets are escaped, and as
    escaped text; the page's own policy (CSP) lets no other script run and no address be loaded.
    """
    style, script = f"\n{_asset('report.css')}", _script()
    parts = {
        "title": html.escape(document.title),
        "csp": html.escape(_policy(style, script)),
        "style": style,
        "data": _embed(document),
        "script": script,
    }
    # One pass, so that nothing in the parts is ever taken for a placeholder.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("template.html"))


def write(document: Document, path: str | Path) -> Path:
    """Write the page, entirely or not at all. Raises UserError when `path` cannot be written."""
    return write_bytes(path, render(document).encode())


def read(path: str | Path) -> Document:
    """The document inside a page that `write` made. Raises InputError when there is none."""
    page = Path(path).read_text(encoding="utf-8")
    found = re.search(r'<script id="hocket-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    if found is None:
        raise InputError(str(path), ["this is no hocket report"])
    try:
        return msgspec.json.decode(found[1], type=Document)
    except msgspec.DecodeError as error:
        raise InputError(str(path), [f"the report's data are unreadable: {error}"]) from error


def _embed(document: Document) -> str:
    """JSON that is also safe inside a script element: no tag and no comment can begin or end."""
    text = msgspec.json.encode(document).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _script() -> str:
    joined = "\n".join(_asset(name) for name in SCRIPTS)
    return f'\n"use strict";\n(() => {{\n{joined}\n}})();\n'


def _policy(style: str, script: str) -> str:
    allowed = f"style-src {_digest(style)}; script-src {_digest(script)}; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _asset(name: str) -> str:
    return files("hocket.report").joinpath("assets", name).read_text(encoding="utf-8")
