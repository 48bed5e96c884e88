"""SBML and Antimony in and out: the only doorway to libSBML and libAntimony."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import antimony
import libsbml

from sbml_hybrid.errors import DataError, ModelError, SourceNotFound
from sbml_hybrid.mechanism import files
from sbml_hybrid.mechanism import model as records
from sbml_hybrid.mechanism.difference import diff
from sbml_hybrid.mechanism.essence import essence
from sbml_hybrid.mechanism.exact import StandIns, survives, use_stand_ins
from sbml_hybrid.mechanism.infix import scan_antimony, without_comments
from sbml_hybrid.mechanism.kinetics import Tree
from sbml_hybrid.mechanism.mathml import ast_from_text, tree_from_ast
from sbml_hybrid.mechanism.sbml import model_from_sbml, sentence, with_zeros
from sbml_hybrid.mechanism.scan import MAX_BYTES

log = logging.getLogger("sbml_hybrid")
_antimony = threading.Lock()  # libAntimony holds what it reads in one place for all threads
_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")


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
    text = source if len(source) > MAX_BYTES else source.strip()
    return not text or len(text) > MAX_BYTES or text[0] == "<" or any(mark in text for mark in ("\n", ";", "->", "="))


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
    code = without_comments(text)
    stand_ins = StandIns(text)
    text = _NUMBER.sub(lambda found: _written_number(found[0], stand_ins), text)
    with _antimony:
        try:
            antimony.clearPreviousLoads()
            if antimony.loadAntimonyString(text) < 0:
                message = _last_error().replace("Error in model string, ", "")
                raise ModelError(f"{source} is not valid Antimony: {stand_ins.restored(message)}")
            main = antimony.getMainModuleName()
            sbml = antimony.getSBMLString(main)
            if not sbml:
                raise ModelError(f"{source} has no SBML form: {_last_error()}")
            _say_which(source, code, main)
            return stand_ins.restored(with_zeros(sbml))
        finally:
            antimony.freeAll()


def _written_number(digits: str, stand_ins: StandIns) -> str:
    value = float(digits)
    return digits if survives(value) else repr(stand_ins.number(value))


def _say_which(source: str, code: str, main: str) -> None:
    """Log the models of a file that are neither read nor a part of another one."""
    others = [
        name
        for name in antimony.getModuleNames()
        if name not in ("__main", main) and not re.search(rf":\s*{name}\s*\(", code)
    ]
    if others:
        log.warning("%s holds several models: %s is read, and not %s.", source, main, ", ".join(others))


def _last_error() -> str:
    try:
        return sentence(antimony.getLastError())
    except UnicodeDecodeError:  # libAntimony cuts what it quotes in the middle of a character
        return "a name or sign that it does not know."


def antimony_text(model: records.Model) -> str:
    """Return `model` as Antimony text that loads as the same model; see `Model.to_antimony`."""
    document = libsbml.readSBMLFromString(model.sbml)
    for compartment in document.getModel().getListOfCompartments():
        if model.by_id[compartment.getId()].size is not None:  # libAntimony does not know level 1's size of 1
            compartment.setSize(model.by_id[compartment.getId()].size)
    for element in document.getListOfAllElements():
        if "http://www.sbml.org/sbml/level" in element.getNotesString():  # libAntimony does not read its own words
            element.unsetNotes()
    stand_ins = use_stand_ins(document, model.sbml)
    with _antimony:
        try:
            antimony.clearPreviousLoads()
            if antimony.loadSBMLString(libsbml.writeSBMLToString(document)) < 0:
                raise ModelError(f"{model.source} has no Antimony form: {_last_error()}")
            text = stand_ins.restored(antimony.getAntimonyString(antimony.getMainModuleName()))
        finally:
            antimony.freeAll()
    _require_same(model, text)
    return text


def _require_same(model: records.Model, text: str) -> None:
    """Refuse what Antimony cannot hold: the text is read again and compared with the model."""
    try:
        again = _from_text(text, "its Antimony", model.id)
    except ModelError as error:
        raise ModelError(f"{model.source} has no Antimony form: {error}") from None
    ids, there = {*model.by_id, *model.stoichiometry_ids}, {*again.by_id, *again.stoichiometry_ids}
    renamed = {id: f"{id}_" for id in ids - there if f"{id}_" in there - ids}  # Antimony's own words
    lost = diff(essence(model, renamed), essence(again)).differences
    if lost:
        said = "; ".join(d.text for d in lost[:3]) + (f"; and {len(lost) - 3} more" if len(lost) > 3 else "")
        raise ModelError(f"Antimony cannot hold {model.source}; it would change: {said}. Try: to_sbml().")


# -- formulas --------------------------------------------------------------------------------------


def parse_formula(text: str, ids: Iterable[str] = (), functions: Iterable[str] = ()) -> Tree:
    """Return the tree of an infix formula, such as ``KK_p + 2*KK_pp`` (SBML level 3 infix).

    Parameters
    ----------
    text
        The formula. Upper and lower case differ; ``log(x)`` is the natural logarithm; ``%`` is ``rem``.
    ids
        Ids of a model. They win over the built-in words: a parameter called ``pi`` or ``time`` is meant.
    functions
        Functions that the model defines; one called ``max`` wins over the operator.

    Raises
    ------
    DataError
        The text is not a formula; the message shows where.
    """
    document = libsbml.SBMLDocument(3, 2)
    meant = document.createModel()
    words = set(re.findall(r"\w+", text))
    for id in words.intersection(ids):
        meant.createParameter().setId(id)
    for id in words.intersection(functions):
        meant.createFunctionDefinition().setId(id)
    try:
        return tree_from_ast(ast_from_text(text, meant))
    except ModelError as error:
        raise DataError(f"{text[:60]!r} cannot be read: {error}") from None
    except ValueError as error:
        raise DataError(str(error)) from None
