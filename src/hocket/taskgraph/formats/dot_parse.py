"""The graph in a DOT file: nodes and edges with their attributes, in order.

The language is that of Graphviz (E. R. Gansner, S. C. North, An open graph visualization system and
its applications to software engineering, Software: Practice and Experience 30 (2000) 1203-1233):
directed graphs, defaults of nodes and edges, subgraphs, chains of edges, ports, comments, text in
quotes. HTML text and undirected edges are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from hocket.taskgraph.formats.dot_words import Word, words_of
from hocket.taskgraph.formats.words import Words, cut

Attributes = dict[str, str]

_DEEPEST = 50
_MOST_ARCS = 1_000_000


@dataclass(slots=True)
class Node:
    """A node, where it first stands, and its attributes."""

    line: int
    attributes: Attributes


@dataclass(slots=True)
class Arc:
    """An edge between two nodes."""

    line: int
    source: str
    target: str
    attributes: Attributes


@dataclass(slots=True)
class Graph:
    """What is in the file; it begins at `line`."""

    name: str = ""
    line: int = 1
    strict: bool = False
    attributes: Attributes = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    arcs: list[Arc] = field(default_factory=list)


@dataclass(slots=True)
class _Scope:
    """The defaults inside a pair of braces, and the nodes named there."""

    node: Attributes
    edge: Attributes
    names: dict[str, None] = field(default_factory=dict)

    def inner(self) -> _Scope:
        return _Scope(dict(self.node), dict(self.edge))


def parse_dot(text: str, findings: Words) -> Graph:
    """The graph. Raises InputError where the text is no DOT, and for all that is refused."""
    return _Parser(words_of(text, findings), findings).graph()


class _Parser:
    """One word ahead, by recursive descent; only subgraphs recurse, and not deep."""

    def __init__(self, words: Iterator[Word], findings: Words) -> None:
        self.words = words
        self.findings = findings
        self.word = next(words)
        self.found = Graph()
        self.depth = 0

    def graph(self) -> Graph:
        """``[strict] digraph [name] { ... }``."""
        self.found.line = self.word.line
        self.found.strict = self._next_if_word("strict")
        if not self.word.is_word("digraph"):
            other = "an undirected graph" if self.word.is_word("graph") else cut(self.word.value)
            self._stop(f"expected digraph, got {other}")
        self._next()
        if not self.word.is_sign("{"):
            self.found.name = self._id("the name of the graph")
        self._body(_Scope({}, {}), outermost=True)
        if self.word.kind != "end":
            self._stop("one graph per file; a second one begins")
        return self.found

    def _stop(self, message: str) -> None:
        self.findings.add(message, self.word.line)
        self.findings.stop_if_any()

    def _next(self) -> Word:
        """The word that is up, moving to the next."""
        word = self.word
        if word.kind != "end":
            self.word = next(self.words)
        return word

    def _sign(self, sign: str) -> bool:
        """Move past the sign, if it is up."""
        there = self.word.is_sign(sign)
        if there:
            self._next()
        return there

    def _id(self, what: str) -> str:
        """A name or text, several texts joined with + included."""
        if self.word.kind not in ("name", "text"):
            self._stop(f"expected {what}, got {cut(self.word.value)}")
        word = self._next()
        value = word.value
        while word.kind == "text" and self.word.is_sign("+"):
            self._next()
            if self.word.kind != "text":
                self._stop("expected text in quotes after +")
            value += self._next().value
        return value

    def _body(self, scope: _Scope, outermost: bool = False) -> None:
        if not self._sign("{"):
            self._stop(f"expected {{, got {cut(self.word.value)}")
        self.depth += 1
        if self.depth > _DEEPEST:
            self._stop(f"subgraphs nested deeper than {_DEEPEST}")
        while not self._sign("}"):
            if self.word.kind == "end":
                self._stop("} expected; is the file cut off?")
            if not self._sign(";"):
                self._statement(scope, outermost)
        self.depth -= 1

    def _statement(self, scope: _Scope, outermost: bool) -> None:
        """Defaults, an attribute of the graph, a node, a subgraph, or a chain of edges."""
        for keyword, defaults in (("node", scope.node), ("edge", scope.edge)):
            if self.word.is_word(keyword):
                self._next()
                defaults |= self._attributes()
                return
        if self.word.is_word("graph"):
            self._next()
            self._keep(self._attributes(), outermost)
            return
        line = self.word.line
        if self._subgraph_is_up():
            group = self._subgraph(scope)
        else:
            name = self._id("a node")
            if self._sign("="):
                self._keep({name: self._id("a value")}, outermost)
                return
            group = [self._node(name, line, scope)]
            if not self._arrow_is_up():
                self.found.nodes[name].attributes |= self._attributes()
                return
        self._chain(group, line, scope)

    def _keep(self, attributes: Attributes, outermost: bool) -> None:
        """Attributes of the graph; those of subgraphs say how these are drawn."""
        if outermost:
            self.found.attributes |= attributes

    def _chain(self, group: list[str], line: int, scope: _Scope) -> None:
        """``-> b -> {c d} [attributes]``: edges from each node of a group to each of the next."""
        groups = [group]
        while self._arrow_is_up():
            self._next()
            at = self.word.line
            if self._subgraph_is_up():
                groups.append(self._subgraph(scope))
            else:
                groups.append([self._node(self._id("a node"), at, scope)])
        given = scope.edge | self._attributes() if len(groups) > 1 else {}
        for sources, targets in pairwise(groups):
            if len(self.found.arcs) + len(sources) * len(targets) > _MOST_ARCS:
                self._stop(f"more than {_MOST_ARCS} edges")
            self.found.arcs += [Arc(line, a, b, given) for a in sources for b in targets]

    def _arrow_is_up(self) -> bool:
        if self.word.is_sign("--"):
            self._stop("an undirected edge; write ->")
        return self.word.is_sign("->")

    def _subgraph_is_up(self) -> bool:
        return self.word.is_word("subgraph") or self.word.is_sign("{")

    def _subgraph(self, scope: _Scope) -> list[str]:
        """The nodes named in ``[subgraph [name]] { ... }``."""
        if self._next_if_word("subgraph") and not self.word.is_sign("{"):
            self._id("the name of the subgraph")
        inner = scope.inner()
        self._body(inner)
        scope.names |= inner.names
        return list(inner.names)

    def _next_if_word(self, keyword: str) -> bool:
        """Move past the keyword, if it is up."""
        there = self.word.is_word(keyword)
        if there:
            self._next()
        return there

    def _node(self, name: str, line: int, scope: _Scope) -> str:
        """A node, new or known; its ports say where edges end, which changes no schedule."""
        for _ in range(2):
            if self._sign(":"):
                self._id("a port")
        if name not in self.found.nodes:
            self.found.nodes[name] = Node(line, dict(scope.node))
        scope.names[name] = None
        return name

    def _attributes(self) -> Attributes:
        """``[a=1, b="x"; c] [d=2]``; an attribute without value is true."""
        found: Attributes = {}
        while self._sign("["):
            while not self._sign("]"):
                if self.word.kind == "end":
                    self._stop("] expected; is the file cut off?")
                name = self._id("an attribute or ]")
                found[name] = self._id("a value") if self._sign("=") else "true"
                if not self._sign(","):
                    self._sign(";")
        return found
