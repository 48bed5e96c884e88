"""How large a model made of models (SBML's comp package) becomes, counted before it is written out."""

from __future__ import annotations

from collections import Counter, defaultdict
from xml.parsers import expat

from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.dependence import written_out_size

MAX_SUBMODELS = 2_000
MAX_ELEMENTS = 200_000  # of the flat model; libSBML needs some 30 s for them


def comp_size(sbml: str, source: str) -> int:
    """Return how many elements the model has when its submodels are written out.

    Parameters
    ----------
    sbml
        The text; `sbml_hybrid.mechanism.scan.scan` has let it pass. Models of other files count as one element.
    source
        What messages call it.

    Raises
    ------
    ModelError
        A model contains itself, or there are over 2000 submodels or 200 000 elements in all.
    """
    models = _models(sbml)
    try:
        submodels = written_out_size(dict.fromkeys(models.elements, 1), models.submodels)
        sizes = written_out_size(models.elements, models.submodels)
    except ModelError as cycle:
        raise ModelError(f"{source} has models that contain each other without end: {str(cycle)[:200]}.") from None
    for what, counts, limit in (("submodels", submodels, MAX_SUBMODELS), ("elements", sizes, MAX_ELEMENTS)):
        if max(counts.values(), default=0) > limit:
            raise ModelError(f"{source} has over {limit} {what} when its submodels are written out; it is not read.")
    return sizes.get(models.main, 0)


def most_instances(sbml: str) -> int:
    """Return a bound on how often the model uses one of another file; `comp_size` has let it pass."""
    models = _models(sbml)
    written_out = written_out_size(dict.fromkeys(models.elements, 1), models.submodels)
    return sum(map(len, models.submodels.values())) * max(written_out.values(), default=1)


def _models(sbml: str) -> _Models:
    models = _Models()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = models.start, models.end
    parser.Parse(sbml.encode(), True)
    return models


class _Models:
    """The models of a file: how many elements each has, and which submodels."""

    def __init__(self) -> None:
        self.main = "(main)"
        self.path: list[str] = []
        self.inside = [self.main]
        self.elements: Counter[str] = Counter({self.main: 1})
        self.submodels: dict[str, list[str]] = defaultdict(list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        given = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        if local in {"modelDefinition", "model"}:
            self.inside.append(given.get("id", "") if local == "modelDefinition" else self._main(given))
        self.elements[self.inside[-1]] += 1
        if local == "submodel":
            self.submodels[self.inside[-1]].append(given.get("modelRef", ""))
        self.path.append(local)

    def _main(self, given: dict[str, str]) -> str:
        """A submodel may name the main model too."""
        if "id" in given:
            self.elements[given["id"]] += self.elements.pop(self.main, 0)
            self.main = given["id"]
        return self.main

    def end(self, name: str) -> None:
        if self.path.pop() in {"modelDefinition", "model"}:
            self.inside.pop()
