"""A model's file -> its text: only a regular file, of bounded size, that is text."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path

from sbml_hybrid.errors import ModelError, SourceNotFound
from sbml_hybrid.mechanism.scan import MAX_BYTES

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}
_BEGINNINGS = {
    b"PK\x03\x04": "a zip archive (an OMEX file is one too). Try: unpack it and load the SBML file in it",
    b"\x1f\x8b": "compressed with gzip. Try: unpack it first",
    b"BZh": "compressed with bzip2. Try: unpack it first",
    b"\xfd7zXZ\x00": "compressed with xz. Try: unpack it first",
    b"%PDF": "a PDF document, not a model",
    b"\x89PNG": "a PNG picture, not a model",
    b"\xff\xd8\xff": "a JPEG picture, not a model",
    b"\x89HDF": "an HDF5 file, not a model",
    b"MATLAB 5": "a MATLAB data file, not a model",
}
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Python knows codecs that are no encodings of text, and slow ones; XML files use these.
_ENCODINGS = re.compile(r"utf-?8|utf-?16(le|be)?|(us-)?ascii|iso-?8859-\d+|latin-?1|(windows-|cp)125\d", re.IGNORECASE)


def there(path: Path) -> bool:
    """Return whether something that may be a file is at `path`; a name that no file can have is not there."""
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False


def bytes_of(path: Path) -> bytes:
    """Return what a model's file holds.

    Raises
    ------
    SourceNotFound
        It is gone, or may not be read.
    ModelError
        It is no regular file, or too large; the message says what it is.
    """
    name = path.name
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                kind = _KINDS.get(stat.S_IFMT(about.st_mode), "something else")
                raise ModelError(f"{name} is {kind}; a model is read from a regular file.")
            if about.st_size > MAX_BYTES:
                raise too_large(name, about.st_size)
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror or error}.") from None
    return data


def too_large(source: str, size: int) -> ModelError:
    """Return the error for a model of `size` bytes."""
    return ModelError(f"{source} has {size / 1e6:.0f} MB; models of up to {MAX_BYTES / 1e6:.0f} MB are read.")


def decoded(data: bytes, source: str) -> str:
    """Return the text of a model's file.

    Raises
    ------
    ModelError
        The bytes are too many, or no text; the message says what they are.
    """
    if len(data) > MAX_BYTES:
        raise too_large(source, len(data))
    for beginning, what in _BEGINNINGS.items():
        if data.startswith(beginning):
            raise ModelError(f"{source} is {what}.")
    mark = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), None)
    declared = re.match(rb'\s*<\?xml[^>]{0,200}?encoding\s*=\s*["\']([\w.-]+)', data)
    encoding = mark or (declared[1].decode("ascii", "replace") if declared else "utf-8")
    if not mark and not _ENCODINGS.fullmatch(encoding):
        raise ModelError(f"{source} declares the encoding {encoding[:40]!r}, which is not read. Try: save it as UTF-8.")
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        reason = str(error)[:200]
        raise ModelError(f"{source} is not text in {encoding}: {reason}. SBML and Antimony are text files.") from None
    if declared and not mark and not text.lstrip().startswith("<"):
        raise ModelError(f"{source} says that it is {encoding}, and is not text in {encoding}. Try: save it as UTF-8.")
    if "\0" in text:
        raise ModelError(f"{source} has NUL bytes in it; SBML and Antimony are text files. Try: save it as UTF-8.")
    return text
