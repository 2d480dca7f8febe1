"""One graph of a captured network, read and checked node by node. Every fault is a Refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from grader.graph import allowed, operators
from grader.graph.fields import fields_of, is_int, list_of, shown
from grader.graph.operators import Operator, Parameter
from grader.graph.program import Caps, Graph, Node, Ref, Refused, TensorSpec, Weight

EQUATION = re.compile(r"[A-Za-z,.> -]{1,64}")


class GraphReader:
    """Reads one graph; knows the tensors' names, and which nodes share memory with the input or a weight."""

    def __init__(self, value: object, mode: str, tensors: Mapping[str, TensorSpec], caps: Caps) -> None:
        self._fields = fields_of(value, ("nodes", "output", "outputs"), f"the {mode} graph")
        self._mode = mode
        self._tensors = tensors
        self._caps = caps
        self._nodes: list[Node] = []
        self._roots: list[Ref | Weight] = [Ref(0)]
        self._writes_input = False

    def read(self) -> Graph:
        """The checked graph."""
        for entry in list_of(self._fields["nodes"], self._caps.nodes, f"the nodes of the {self._mode} graph"):
            node = self._node(entry)
            self._check_writes(node)
            self._nodes.append(node)
            self._roots.append(self._root(node))
        output = self._reference(self._fields["output"])
        if not isinstance(output, Ref) or not is_int(self._fields["outputs"], 1, 1024):
            raise Refused(f"the output of the {self._mode} graph must be one of its nodes.")
        return Graph(tuple(self._nodes), output, self._fields["outputs"], self._writes_input)

    def _node(self, entry: object) -> Node:
        if type(entry) is not list or len(entry) != 3:  # name, arguments, keywords
            raise Refused(f"node {len(self._nodes) + 1} must be [operation, arguments, keywords].")
        name, positional, keywords = entry
        if type(name) is not str or (found := operators.find(name)) is None:
            raise Refused(f"the operation {shown(name)} is not among those that a network may use here.")
        if type(positional) is not list or type(keywords) is not dict:
            raise Refused(f"{name}: arguments must be a list, keywords an object.")
        given = self._bind(found, positional, keywords)
        arguments = {p.name: self._argument(found, p, given) for p in found.parameters}
        return _replaced(Node(found, MappingProxyType(arguments)))

    def _bind(self, found: Operator, positional: list[Any], keywords: dict[Any, Any]) -> dict[str, Any]:
        """Arguments by name."""
        in_order = [p.name for p in found.parameters if not p.keyword_only]
        given = dict(zip(in_order, positional, strict=False))
        unknown = set(keywords) - {p.name for p in found.parameters}
        if len(positional) > len(in_order) or unknown or set(given) & set(keywords):
            raise Refused(f"{found.name} is given arguments that it does not take.")
        return {**given, **keywords}

    def _argument(self, found: Operator, parameter: Parameter, given: Mapping[str, Any]) -> Any:
        """One checked argument, or its default."""
        if parameter.name not in given:
            if parameter.required and not parameter.optional:
                raise Refused(f"{found.name} is not given {parameter.name}.")
            return parameter.default
        value = given[parameter.name]
        where = f"{parameter.name} of {found.name}"
        if value is None and (parameter.optional or parameter.kind in UNSET):
            return None
        if not parameter.is_list:
            return self._scalar(parameter, value, where)
        if parameter.kind == "int" and type(value) is int:
            value = [value]
        entries = list_of(value, allowed.LONGEST_LIST.get(parameter.kind, 0), where)
        lengths = (1, parameter.length, len(parameter.default or [1]))
        if parameter.length not in (None, 1) and len(entries) not in lengths:  # torch writes int[1] for any length
            raise Refused(f"{where} has {len(entries)} entries, wanted {parameter.length}.")
        return tuple(self._scalar(parameter, v, where) for v in entries)

    def _scalar(self, parameter: Parameter, value: Any, where: str) -> Any:
        """One value that is no list."""
        if type(value) is dict:
            return self._symbol(parameter, value, where)
        check = CHECKS.get(parameter.kind)
        if check is None or not check(parameter.name, value):
            raise Refused(f"{where} is {shown(value)}, which is not a {parameter.kind} within its bounds.")
        return value

    def _symbol(self, parameter: Parameter, value: dict[Any, Any], where: str) -> Any:
        """A reference, a dtype or a memory format, where the operation takes one."""
        if parameter.kind == "ScalarType":
            return _setting(value, "dtype", allowed.DTYPES, where)
        if parameter.kind == "MemoryFormat":
            return _setting(value, "memory_format", allowed.MEMORY_FORMATS, where)
        if parameter.kind not in ("Tensor", "results", "int", "number"):
            raise Refused(f"{where} must be a {parameter.kind}.")
        reference = self._reference(value)
        if isinstance(reference, Weight) and parameter.kind != "Tensor":
            raise Refused(f"{where} must be a {parameter.kind}, not a tensor of the network.")
        return reference

    def _reference(self, value: object) -> Ref | Weight:
        if type(value) is dict and len(value) == 1:
            if is_int(value.get("node"), 0, len(self._nodes)):
                return Ref(value["node"])
            if type(value.get("tensor")) is str and value["tensor"] in self._tensors:
                return Weight(value["tensor"])
        raise Refused(
            f"node {len(self._nodes) + 1} of the {self._mode} graph refers to something that is not before it."
        )

    def _root(self, node: Node) -> Ref | Weight:
        """Whose memory the node's result may be."""
        if node.operator.aliases and node.references:
            return self._root_of(node.references[0])
        return Ref(len(self._nodes))

    def _root_of(self, reference: Ref | Weight) -> Ref | Weight:
        return self._roots[reference.node] if isinstance(reference, Ref) else reference

    def _check_writes(self, node: Node) -> None:
        """A graph may write its own results and buffers, a copy of its input, and never a weight."""
        for reference in node.written:
            root = self._root_of(reference)
            if isinstance(root, Weight) and self._tensors[root.name].kind in ("parameter", "frozen"):
                raise Refused(f"{node.operator.name} changes {root.name}; only the optimizer may change weights.")
            self._writes_input |= root == Ref(0)


UNSET = frozenset({"Device", "Layout", "Generator"})


def _number(kind: str) -> Callable[[str, Any], bool]:
    accepted = {"int": (int,), "float": (int, float), "number": (int, float)}[kind]
    return lambda name, value: type(value) in accepted and operators.in_range(name, kind, value)


def _word(name: str, value: object) -> bool:
    if type(value) is not str:
        return False
    return bool(EQUATION.fullmatch(value)) if name == "equation" else value in allowed.WORDS.get(name, ())


CHECKS: Mapping[str, Callable[[str, Any], bool]] = MappingProxyType(
    {
        "int": _number("int"),
        "float": _number("float"),
        "number": _number("number"),
        "Tensor": lambda name, value: name == "other" and _number("number")(name, value),  # x + 1
        "bool": lambda _, value: type(value) is bool,
        "str": _word,
    }
)


def _setting(value: dict[Any, Any], key: str, table: Mapping[str, Any], where: str) -> Any:
    name = value.get(key)
    if len(value) != 1 or type(name) is not str or name not in table:
        raise Refused(f"{where} must be a known {key}.")
    return table[name]


def _replaced(node: Node) -> Node:
    """A view as a reshape, and an empty tensor as zeros, which take the same arguments under other names."""
    name = allowed.REPLACED.get(node.operator.name)
    arguments = dict(node.arguments)
    if "pin_memory" in arguments:
        arguments["pin_memory"] = None
    if name is None:
        return Node(node.operator, MappingProxyType(arguments))
    found = operators.find(name)
    if found is None:
        raise Refused(f"this torch has no {name}.")
    if "size" in arguments and found.base == "reshape":
        arguments["shape"] = arguments.pop("size")
    return Node(found, MappingProxyType({p.name: arguments.get(p.name) for p in found.parameters}))
