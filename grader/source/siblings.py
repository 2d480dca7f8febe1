"""A submission's own files as modules that it can import, sliced: importing does not train. Standard library only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from grader.source.flow import Flow
from grader.source.pieces import Part, Piece, part, piece
from grader.source.running import Run
from grader.source.scope import Unit

PROTECTED = (sys.stdlib_module_names - {"test", "this", "antigravity"}) | {"torch", "torchvision", "numpy", "grader"}
"""Modules that a student's file of the same name must not replace: the harness imports them lazily too."""


class Finder(MetaPathFinder, Loader):
    """A finder for `sys.meta_path` that gives a submission's own files.

    One statement that raises, an import of what is not here for one, does not cost a file its other names.
    """

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._flows = {f.file: f for f in flows}
        named = {name: file for file in sorted(self._flows, key=lambda f: f.endswith(".py")) if (name := _module(file))}
        protected = {n for n in named if n.partition(".")[0] in PROTECTED}
        self._files = {n: f for n, f in named.items() if n not in protected}
        self._packages = {".".join(n.split(".")[:i]) for n in self._files for i in range(1, n.count(".") + 1)}
        self.notes = tuple(
            f"{named[n]} cannot be imported: Python has a module {n}. Rename it." for n in sorted(protected)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The modules that can be imported."""
        return tuple(sorted(self._files))

    def file_of(self, name: str) -> str | None:
        """The file behind a module's name; one in a sub folder is found by its last part if only one has it."""
        if name in self._files:
            return self._files[name]
        same = [f for n, f in self._files.items() if n.rpartition(".")[2] == name]
        return same[0] if len(same) == 1 and name not in self._packages else None

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """The import system's question: is this module one of the submission's?"""
        file = self.file_of(fullname)
        if file is None and fullname not in self._packages:
            return None
        spec = ModuleSpec(fullname, self, origin=file, is_package=fullname in self._packages)
        spec.has_location = file is not None
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The import system makes the module itself."""

    def exec_module(self, module: ModuleType) -> None:
        """Run what the module defines."""
        file = self.file_of(module.__name__)
        if file is not None:
            run = Run()
            for block in self.piece(file).blocks:
                run.block(block, module.__dict__)
            if run.errors:
                module.__getattr__ = run.raise_for  # type: ignore[method-assign]  # what was not bound says why

    def piece(self, file: str) -> Piece:
        """What importing a file runs: its definitions, what they need, and the names that other files ask of it."""
        flow = self._flows[file]
        imports = [u for u in flow.units if u.is_import and (file in self._opened or self._is_sibling(u))]
        siblings = {n for u in imports for n in u.binds}
        asked = self._asked & flow.binders.keys()
        chosen = part(flow, [*flow.definition_names(), *siblings, *asked])
        units = sorted({u.index: u for u in [*chosen.units, *(flow.units[i] for i in flow.stars)]}.items())
        return piece([Part(flow, [u for _, u in units], chosen.mentioned)], {}, ())

    def _is_sibling(self, unit: Unit) -> bool:
        node = unit.node
        names = (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in getattr(node, "names", [])]
        )
        return any(self.file_of(n) or n in self._packages for n in names)

    @cached_property
    def _opened(self) -> set[str | None]:
        """The files of which some file imports all names (`from layers import *`), those that they import too."""
        return {self.file_of(f.units[i].star) for f in self._flows.values() for i in f.stars}

    @cached_property
    def _asked(self) -> set[str]:
        """Every name that some file imports from a module or reads as an attribute."""
        nodes = [n for f in self._flows.values() for u in f.units for n in ast.walk(u.node)]
        imported = {a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
        return imported | {n.attr for n in nodes if isinstance(n, ast.Attribute)}


def _module(file: str) -> str:
    """The dotted name under which a file can be imported; "" if none."""
    parts = file.rpartition(".")[0].split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(p.isidentifier() for p in parts) else ""
