"""Says which files of ours modules load: JSON, by module. What is not ours is imported once."""

import json
import sys
from importlib import import_module


def main() -> int:
    """Import each module that is named by the arguments, as if none of ours had been."""
    loaded = {}
    _forget_ours()
    for module in sys.argv[1:]:
        import_module(module)
        loaded[module] = [file for name, file in _forget_ours().items() if name != "rgmp"]
    print(json.dumps(loaded))
    return 0


def _forget_ours() -> dict[str, str | None]:
    """Let modules of ours be imported anew; return the files of those that were there."""
    ours = [name for name in sys.modules if name.partition(".")[0] == "rgmp"]
    return {name: sys.modules.pop(name).__file__ for name in ours}
