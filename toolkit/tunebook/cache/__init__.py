"""What takes long to make is made once, kept on disk, and shared by the runs of a machine."""

from tunebook.cache.entries import Entry, Hold, Manifest
from tunebook.cache.places import cache_folder, file_sha256
from tunebook.cache.room import Item, contents, held_bytes, remove
from tunebook.cache.store import Form, Kept, Store, fingerprint

__all__ = [
    "Entry",
    "Form",
    "Hold",
    "Item",
    "Kept",
    "Manifest",
    "Store",
    "cache_folder",
    "contents",
    "file_sha256",
    "fingerprint",
    "held_bytes",
    "remove",
]
