"""Small ZIPs, damaged in the ways of which Python's own library says least."""

import io
import zipfile
from collections.abc import Mapping

_CENTRAL, _END = b"PK\1\2", b"PK\5\6"
_VERSION, _FLAGS, _NAME = 6, 8, 46
"""Places in a member's entry of the table at the end."""
_TABLE = 16
"""The place that has where that table begins, in the last record."""


def zipped(members: Mapping[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of these."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def damaged_zips(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """ZIPs whose first member, or end, is changed in a byte or two, by what is wrong."""
    whole = zipped(members)
    entry, end = whole.index(_CENTRAL), whole.index(_END)

    def changed(*places: tuple[int, int]) -> bytes:
        content = bytearray(whole)
        for place, value in places:
            content[place] = value
        return bytes(content)

    return {
        "a name that is no text": changed((entry + _FLAGS + 1, 8), (entry + _NAME, 0xC3)),
        "a name of a zero byte": changed((entry + _NAME, 0)),
        "a version to come": changed((entry + _VERSION, 255)),
        "a patch": changed((entry + _FLAGS, 0x20)),
        "strong encryption": changed((entry + _FLAGS, 0x40)),
        "a place before the file": changed((end + _TABLE, whole[end + _TABLE] + 1)),
    }
