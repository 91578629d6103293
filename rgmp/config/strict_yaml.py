"""YAML as a study needs it: scalars, lists and mappings, of limited size.

Other YAML features are rejected by name: tags, which change a value's type, and merge keys. An
alias may repeat a value, but not expand a few hundred bytes into millions of values.
"""

from typing import Any, NoReturn

import yaml

LARGEST = 100_000
"""Largest file, in bytes."""

_LONGEST = 2000
"""Longest key or value, in characters."""

_MOST = 20_000
"""Most values of a document, counting those repeated by aliases each time."""

_DEEPEST = 20
"""Deepest nesting of lists and mappings."""


def load(text: str) -> Any:
    """The value of a YAML document.

    Raises:
        yaml.YAMLError: it is not valid YAML, or uses a rejected feature.
        ValueError: an impossible date or number, such as a 13th month.
    """
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


class _Loader(yaml.SafeLoader):
    """Rejects merge keys, tags and duplicate keys."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._values = 0  # so far, counting aliased values each time
        self._values_of: dict[str, int] = {}  # by anchor

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._values
        self._values += self._size_of(event)
        if self._values > _MOST:
            self._refuse(f"more than {_MOST} values", event)
        if self._depth == _DEEPEST:
            self._refuse(f"lists or mappings nested more than {_DEEPEST} deep", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._values_of[event.anchor] = self._values - before
        return node

    def _size_of(self, event: Any) -> int:
        """How many values a node adds, judged by the event that starts it."""
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.anchors and event.anchor not in self._values_of:
                self._refuse(f"alias *{event.anchor} refers to itself", event)
            return self._values_of.get(str(event.anchor), 1)
        if event.tag is not None:
            self._refuse(f"unsupported tag {event.tag}; leave it out", event)
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST:
            self._refuse(
                f"a value of {len(event.value)} characters; allowed: at most {_LONGEST}", event
            )
        return 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse("a key that is not a plain word", key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                self._refuse("unsupported merge key <<; write out its keys", key_node)
            key = self.construct_object(key_node)
            if key in keys:
                self._refuse(f"duplicate key {key}", node)
            keys.add(key)
        return super().construct_mapping(node, deep)

    def _refuse(self, fault: str, where: Any) -> NoReturn:
        raise yaml.constructor.ConstructorError(None, None, fault, where.start_mark)
