"""SBML and Antimony in and out: the only doorway to libSBML and libAntimony."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import antimony
import libsbml

from sbml_hybrid.errors import DataError, ModelError, SourceNotFound
from sbml_hybrid.mechanism import files
from sbml_hybrid.mechanism import model as records
from sbml_hybrid.mechanism.infix import check_infix, scan_antimony
from sbml_hybrid.mechanism.kinetics import Tree
from sbml_hybrid.mechanism.mathml import tree_from_ast
from sbml_hybrid.mechanism.sbml import model_from_sbml, sentence, with_zeros
from sbml_hybrid.mechanism.scan import MAX_BYTES


def load(source: Any) -> records.Model:
    """Load a model.

    Parameters
    ----------
    source
        The path of an SBML (levels 1 to 3) or Antimony file, or the text of one; the id of a model
        in BioModels, such as ``"BIOMD0000000012"`` (a file of that name wins); a live
        ``roadrunner.RoadRunner``. Other sources are offered to the plug-ins of the entry-point
        group ``sbml_hybrid.readers``.

    Returns
    -------
    Model
        The model's records, SBML text and hash.

    Raises
    ------
    SourceNotFound
        There is no such file.
    ModelError
        The text is neither valid SBML nor valid Antimony; the message has the line.

    Examples
    --------
    >>> load("S -> ; k*S; S = 10; k = 0.3")
    <Model model: 1 species, 1 reactions, text>
    """
    if isinstance(source, Path) or (isinstance(source, str) and not _looks_like_text(source)):
        path = Path(source)
        if files.there(path):
            return from_bytes(files.bytes_of(path), path.name, path.stem, path.parent)
    elif isinstance(source, str):
        return _from_text(source, "text", "model")
    for reader in entry_points(group="sbml_hybrid.readers"):
        model = reader.load()(source)
        if model is not None:
            return model
    if isinstance(source, str | Path):
        raise _not_found(Path(source))
    raise ModelError(
        f"A model is loaded from a path, a text, a BioModels id or a RoadRunner, not from a {type(source).__name__}."
    )


def from_bytes(data: bytes, source: str, stem: str, folder: Path | None = None) -> records.Model:
    """Return the model in the bytes of an SBML or Antimony file.

    Parameters
    ----------
    data
        What the file holds; an encoding that its XML declares is honoured.
    source
        What messages call it, such as the file's name.
    stem
        The model's id where the text gives none.
    folder
        Where files that it refers to are; None where there are none.

    Raises
    ------
    ModelError
        The bytes are too many, no text, or neither valid SBML nor valid Antimony.
    """
    return _from_text(files.decoded(data, source), source, stem, folder)


def _looks_like_text(source: str) -> bool:
    return (
        len(source) > MAX_BYTES
        or not source.strip()
        or source.lstrip().startswith("<")
        or any(mark in source for mark in ("\n", ";", "->", "="))
    )


def _not_found(path: Path) -> SourceNotFound:
    said = str(path) if len(str(path)) < 300 else f"{str(path)[:300]}..."
    try:
        if path.is_dir():
            return SourceNotFound(f"{said} is a folder; load takes one SBML or Antimony file.")
        folder = path.parent if path.parent.is_dir() else None
        there = sorted(p.name for p in folder.iterdir() if p.suffix in {".xml", ".sbml", ".ant"})[:12] if folder else []
    except (OSError, ValueError):  # no file can have such a name, or the folder is not ours to list
        return SourceNotFound(f"No model at {said!r}, and the folder cannot be read.")
    hint = f" Models there: {', '.join(there)}." if there else " The folder has no .xml, .sbml or .ant file."
    if path.name == str(path) and not path.suffix:
        hint += " A BioModels id looks like BIOMD0000000012."
    return SourceNotFound(f"No model at {said}.{hint if folder else ' The folder does not exist.'}")


def _from_text(text: str, source: str, stem: str, folder: Path | None = None) -> records.Model:
    if len(text) > MAX_BYTES:
        raise files.too_large(source, len(text))
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise ModelError(f"{source} is empty; it should hold SBML or Antimony.")
    sbml = text if text.lstrip().startswith("<") else _antimony_to_sbml(text, source)
    return model_from_sbml(sbml, source, stem, folder)


# -- Antimony --------------------------------------------------------------------------------------


def _antimony_to_sbml(text: str, source: str) -> str:
    scan_antimony(text, source)
    try:
        antimony.clearPreviousLoads()
        if antimony.loadAntimonyString(text) < 0:
            message = _last_error().replace("Error in model string, ", "")
            raise ModelError(f"{source} is not valid Antimony: {message}")
        sbml = antimony.getSBMLString(antimony.getMainModuleName())
        if not sbml:
            raise ModelError(f"{source} has no SBML form: {_last_error()}")
        return with_zeros(sbml)
    finally:
        antimony.freeAll()


def _last_error() -> str:
    try:
        return sentence(antimony.getLastError())
    except UnicodeDecodeError:  # libAntimony cuts what it quotes in the middle of a character
        return "a name or sign that it does not know."


def antimony_text(model: records.Model) -> str:
    """Return `model` as Antimony text."""
    try:
        antimony.clearPreviousLoads()
        if antimony.loadSBMLString(model.sbml) < 0:
            raise ModelError(f"{model.source} has no Antimony form: {_last_error()}")
        return antimony.getAntimonyString(antimony.getMainModuleName())
    finally:
        antimony.freeAll()


def parse_formula(text: str) -> Tree:
    """Return the tree of an infix formula, such as ``KK_p + 2*KK_pp`` (SBML level 3 infix).

    Raises
    ------
    DataError
        The text is not a formula; the message shows where.
    """
    check_infix(text)
    settings = libsbml.L3ParserSettings()
    settings.setParseLog(libsbml.L3P_PARSE_LOG_AS_LN)
    ast = libsbml.parseL3FormulaWithSettings(text, settings)
    if ast is None:
        raise DataError(f"{text!r} is not a formula: {sentence(libsbml.getLastParseL3Error())}")
    return tree_from_ast(ast)
