"""Models of the BioModels repository by their id, kept in a cache on disk.

The interface is the repository's own: ``/model/files/ID`` lists the files of a model, and
``/model/download/ID?filename=...`` gives one. Malik-Sheriff et al. 2020, Nucleic Acids Research
48:D407, doi:10.1093/nar/gkz1055; since 2025 the repository lives at biomodels.org.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sbml_hybrid.errors import ModelError, SourceNotFound, SourceUnreachable
from sbml_hybrid.interchange.download import download
from sbml_hybrid.mechanism.model import Model
from sbml_hybrid.mechanism.reader import from_bytes
from sbml_hybrid.mechanism.scan import MAX_BYTES

ADDRESSES = ("https://www.biomodels.org", "https://www.ebi.ac.uk/biomodels")  # its own, and the one it had for 20 years
_ID = re.compile(r"(BIOMD|MODEL)([0-9]+)(\.[0-9]{1,4})?", re.IGNORECASE)
_LISTING_BYTES = 4_000_000


def read(source: Any) -> Model | None:
    """Return the model of a BioModels id such as ``BIOMD0000000012``; None for anything else.

    A revision may follow the id: ``BIOMD0000000012.2``. What has been fetched once is read from the
    cache from then on. Environment variables: ``SBML_HYBRID_CACHE`` (folder of the cache),
    ``SBML_HYBRID_OFFLINE=1`` (nothing but the cache), ``SBML_HYBRID_BIOMODELS_URL`` (a mirror).

    Raises
    ------
    SourceNotFound
        BioModels has no such public model; or the cache has not, and we are offline.
    SourceUnreachable
        BioModels could not be reached, or what it sent is no model.
    ModelError
        The entry has no SBML file, or its SBML cannot be read; the message lists the entry's files.

    Warns
    -----
    UserWarning
        The model was fetched, but could not be kept in the cache.
    """
    found = _ID.fullmatch(source.strip()) if isinstance(source, str) else None
    if found is None:
        return None
    kind, digits, revision = found[1].upper(), found[2], found[3] or ""
    if len(digits) != 10:
        if kind == "MODEL":  # any file may be called model1
            return None
        near = f" Did you mean {kind}{digits:0>10}?" if len(digits) < 10 else ""
        raise SourceNotFound(f"{source.strip()!r} is no BioModels id: {kind} is followed by ten digits.{near}")
    return _model(kind + digits + revision)


def _model(id: str) -> Model:
    kept = cache_folder() / f"{id}.xml"
    offline = os.environ.get("SBML_HYBRID_OFFLINE", "").lower() not in {"", "0", "false", "no"}
    try:
        return from_bytes(kept.read_bytes(), id, id.partition(".")[0])
    except ModelError as error:
        if offline:
            raise ModelError(f"{error} It is read from the cache: {kept}.") from None
    except OSError:
        if offline:
            raise SourceNotFound(
                f"{id} is not in the cache {kept.parent}, and SBML_HYBRID_OFFLINE is set. Try: unset it, or put the "
                f"model's SBML file there as {kept.name}."
            ) from None
    data = _fetched(id)
    model = from_bytes(data, id, id.partition(".")[0])
    _keep(data, kept)
    return model


# -- the cache -------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Return the folder that fetched models are kept in: the user's cache, or in ``SBML_HYBRID_CACHE``."""
    import platformdirs

    own = os.environ.get("SBML_HYBRID_CACHE") or platformdirs.user_cache_path("sbml-hybrid", appauthor=False)
    return Path(own).expanduser() / "biomodels"


def _keep(data: bytes, path: Path) -> None:
    """Write beside and move into place: whoever else reads or writes `path` sees a whole file."""
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}-", delete=False) as beside:
            beside.write(data)
        os.chmod(beside.name, 0o644)  # a cache may be shared
        os.replace(beside.name, path)
    except OSError as error:
        if beside is not None:
            Path(beside.name).unlink(missing_ok=True)
        warnings.warn(
            f"{path.stem} was fetched, but cannot be kept in {path.parent}: {error.strerror}. Try: set "
            "SBML_HYBRID_CACHE to a folder that can be written to.",
            stacklevel=5,
        )


# -- the repository --------------------------------------------------------------------------------


def _fetched(id: str) -> bytes:
    """Return the bytes of a model's SBML file, from the first address that has it."""
    own = os.environ.get("SBML_HYBRID_BIOMODELS_URL")
    errors = []
    for address in (own.rstrip("/"),) if own else ADDRESSES:
        try:
            return _fetched_from(address, id)
        except (SourceNotFound, SourceUnreachable) as error:
            errors.append(error)
    raise errors[0]


def _fetched_from(address: str, id: str) -> bytes:
    try:
        listing = _listing(download(f"{address}/model/files/{id}?format=json", _LISTING_BYTES), id)
        name = _sbml_file(listing, id)
        data = download(f"{address}/model/download/{id}?filename={quote(name, safe='')}", MAX_BYTES)
    except FileNotFoundError as error:
        raise SourceNotFound(
            f"BioModels has no public model {id} ({error}). Try: look for it at {address}/search."
        ) from None
    except ConnectionError as error:
        raise SourceUnreachable(
            f"{id} could not be fetched from BioModels: {error}. Try: again later; check the network and HTTPS_PROXY; "
            "or download the model's SBML file and load it by its path."
        ) from None
    if re.match(rb"\s*<(!doctype\s+html|html)", data, re.IGNORECASE):
        raise SourceUnreachable(f"{id} could not be fetched: BioModels sent a web page in place of {name}. Try: later.")
    return data


def _listing(data: bytes, id: str) -> dict[str, Any]:
    try:
        listing = json.loads(data)
    except ValueError:
        listing = None
    if isinstance(listing, dict) and isinstance(listing.get("main"), list):
        return listing
    if isinstance(listing, dict) and "errorMessage" in listing:
        raise FileNotFoundError(" ".join(str(listing["errorMessage"]).split())[:200])
    raise ConnectionError("its list of files is not what it used to be")


def _sbml_file(listing: dict[str, Any], id: str) -> str:
    """Return the name of the main file that is SBML."""
    files = [*listing["main"], *(listing.get("additional") or [])]
    names = [str(file["name"]) for file in files if isinstance(file, dict) and file.get("name")]
    for name in names[: len(listing["main"])]:
        if name.lower().endswith((".xml", ".sbml")):
            return name
    there = ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
    raise ModelError(
        f"BioModels' {id} has no SBML file as its main file. Its files: {there or 'none'}. Try: download one there."
    )
