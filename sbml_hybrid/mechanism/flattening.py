"""Models made of models (SBML's comp package) -> one flat model, as libroadrunner makes it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import libsbml

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism import files
from sbml_hybrid.mechanism.composition import MAX_ELEMENTS, most_instances
from sbml_hybrid.mechanism.exact import written
from sbml_hybrid.mechanism.scan import scan


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


def check_files(document: libsbml.SBMLDocument, text: str, source: str, folder: Path | None) -> None:
    """Refuse external model definitions that leave the model's folder or explode, and scan the files of the others.

    Parameters
    ----------
    document
        A document, just read.
    text
        The text that it was read from.
    source
        What messages call it.
    folder
        Where the files of external model definitions may lie; None when the model came as text.

    Raises
    ------
    ModelError
        A file lies elsewhere, is missing or too large, includes itself, or is used too often.
    """
    if _definitions(document):
        _check_files(document, text, source, folder, through=(), uses=1)


def _definitions(document: libsbml.SBMLDocument) -> list:
    plugin = document.getPlugin("comp")
    return list(plugin.getListOfExternalModelDefinitions()) if plugin is not None else []


def _check_files(
    document: libsbml.SBMLDocument, text: str, source: str, folder: Path | None, through: tuple[Path, ...], uses: int
) -> None:
    """`uses` bounds how often the file is instantiated, so that files of files cannot explode."""
    uses *= max(1, most_instances(text))
    for definition in _definitions(document):
        asked = f"{source} takes the model {definition.getId()!r} from the file {definition.getSource()!r}"
        if folder is None:
            raise ModelError(f"{asked}, but came as text, so its folder is not known. Try: load it by its path.")
        name = PurePosixPath(definition.getSource().removeprefix("file:"))
        path = (folder / name).resolve()
        if len(name.parts) != 1 or ":" in str(name) or "\\" in str(name) or path.parent != folder.resolve():
            raise ModelError(f"{asked}; only files in its own folder are read. Try: copy that file beside it.")
        if path in through:
            raise ModelError(f"{asked}, which in turn needs {source}: the models contain each other.")
        if not path.exists():
            raise ModelError(f"{asked}, which is not in {folder}.")
        inside = files.decoded(files.bytes_of(path), path.name)
        scan(inside, path.name)
        if uses * inside.count("<") > 2 * MAX_ELEMENTS:  # a start and an end for each
            raise ModelError(f"{asked} so often that over {MAX_ELEMENTS} elements come together; it is not read.")
        _check_files(libsbml.readSBMLFromString(inside), inside, path.name, folder, (*through, path), uses)
