"""Models made of models (SBML's comp package) -> one flat model, as libroadrunner makes it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import libsbml

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.exact import written
from sbml_hybrid.mechanism.scan import MAX_BYTES, scan


def is_composed(document: libsbml.SBMLDocument) -> bool:
    """Return whether the document uses the comp package."""
    return document.getPlugin("comp") is not None


def flatten(document: libsbml.SBMLDocument, text: str, source: str) -> str:
    """Return the text of the flat model: submodels written out, their ids as ``submodel__id``.

    Parameters
    ----------
    document
        A document with the comp package, which `check_files` let pass.
    text
        The text that it was read from.
    source
        What messages call it.

    Raises
    ------
    ModelError
        libSBML cannot flatten it.
    """
    properties = libsbml.ConversionProperties()
    properties.addOption("flatten comp", True)
    properties.addOption("leavePorts", False)
    properties.addOption("performValidation", True)
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        said = [document.getError(i) for i in range(document.getNumErrors())]
        said = [" ".join(e.getMessage().split())[:200] for e in said if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR]
        raise ModelError(f"The submodels of {source} cannot be put together: {'; '.join(said[:2]) or 'libSBML fails'}.")
    return written(document, text)


def check_files(document: libsbml.SBMLDocument, source: str, folder: Path | None) -> None:
    """Refuse external model definitions that leave the model's folder, and scan the files of the others.

    Parameters
    ----------
    document
        A document, just read.
    source
        What messages call it.
    folder
        Where the files of external model definitions may lie; None when the model came as text.

    Raises
    ------
    ModelError
        A file lies elsewhere, is missing, is too large or includes itself.
    """
    _check_files(document, source, folder, ())


def _check_files(document: libsbml.SBMLDocument, source: str, folder: Path | None, through: tuple[Path, ...]) -> None:
    plugin = document.getPlugin("comp")
    definitions = plugin.getListOfExternalModelDefinitions() if plugin is not None else ()
    for definition in definitions:
        asked = f"{source} takes the model {definition.getId()!r} from the file {definition.getSource()!r}"
        if folder is None:
            raise ModelError(f"{asked}, but came as text, so its folder is not known. Try: load it by its path.")
        name = PurePosixPath(definition.getSource().removeprefix("file:"))
        path = (folder / name).resolve()
        if len(name.parts) != 1 or ":" in str(name) or "\\" in str(name) or path.parent != folder.resolve():
            raise ModelError(f"{asked}; only files in its own folder are read. Try: copy that file beside it.")
        if path in through:
            raise ModelError(f"{asked}, which in turn needs {source}: the models contain each other.")
        if not path.is_file():
            raise ModelError(f"{asked}, which is not in {folder}.")
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{asked}, which has over {MAX_BYTES / 1e6:.0f} MB; it is not read.")
        text = path.read_text(encoding="utf-8", errors="replace")
        scan(text, path.name)
        _check_files(libsbml.readSBMLFromString(text), path.name, folder, (*through, path))
