"""YAML as a study needs it: scalars, lists and mappings, of a size that a study has.

What YAML has beyond that is refused by name: tags, which make a value of another kind, and merge
keys. An alias may repeat a value, but not make a few hundred bytes stand for millions of values.
"""

from typing import Any, NoReturn

import yaml

LARGEST = 100_000
"""Bytes of a file."""

_LONGEST = 2000
"""Characters of one key or value."""

_MOST = 20_000
"""Values of a document, those that aliases repeat counted each time."""

_DEEPEST = 20
"""Lists and mappings inside one another."""


def load(text: str) -> Any:
    """The value of a YAML document.

    Raises:
        yaml.YAMLError: it is no YAML, or has what is refused here.
        ValueError: a date or a number that there is none, such as a 13th month.
    """
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


class _Loader(yaml.SafeLoader):
    """Knows neither merge keys nor tags, and no key that stands twice."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._values = 0  # so far, what aliases repeat counted each time
        self._values_of: dict[str, int] = {}  # by anchor

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._values
        self._values += self._size_of(event)
        if self._values > _MOST:
            self._refuse(f"more than {_MOST} values", event)
        if self._depth == _DEEPEST:
            self._refuse(f"more than {_DEEPEST} lists or mappings inside one another", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._values_of[event.anchor] = self._values - before
        return node

    def _size_of(self, event: Any) -> int:
        """How many values a node is, as far as the event that begins it says."""
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.anchors and event.anchor not in self._values_of:
                self._refuse(f"an alias, *{event.anchor}, inside what it stands for", event)
            return self._values_of.get(str(event.anchor), 1)
        if event.tag is not None:
            self._refuse(f"a tag, {event.tag}; leave it out", event)
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST:
            self._refuse(f"{len(event.value)} characters in one value; at most {_LONGEST}", event)
        return 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse("a key that is no word", key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                self._refuse("a merge key, <<; write out what it stands for", key_node)
            key = self.construct_object(key_node)
            if key in keys:
                self._refuse(f"key {key} stands twice", node)
            keys.add(key)
        return super().construct_mapping(node, deep)

    def _refuse(self, fault: str, where: Any) -> NoReturn:
        raise yaml.constructor.ConstructorError(None, None, fault, where.start_mark)
