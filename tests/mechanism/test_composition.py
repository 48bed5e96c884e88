"""Models made of models are counted before they are written out."""

import pytest

from sbml_hybrid import load
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.composition import comp_size


def composed(models: dict[str, list[str]]) -> str:
    def inside(submodels: list[str]) -> str:
        one = '<comp:submodel comp:id="s{}" comp:modelRef="{}"/>'
        return (
            f"<comp:listOfSubmodels>{''.join(map(one.format, range(len(submodels)), submodels))}</comp:listOfSubmodels>"
        )

    definitions = "".join(
        f'<comp:modelDefinition id="{id}">{inside(s) if s else ""}</comp:modelDefinition>'
        for id, s in models.items()
        if id != "m"
    )
    return (
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1" '
        'xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true">'
        f'<model id="m">{inside(models["m"])}</model>'
        f"<comp:listOfModelDefinitions>{definitions}</comp:listOfModelDefinitions></sbml>"
    )


@pytest.mark.parametrize(
    "models",
    [{"m": ["a"], "a": ["a"]}, {"m": ["a"], "a": ["b"], "b": ["a"]}, {"m": ["m"]}, {"m": [], "a": ["m", "a"]}],
)
def test_models_that_contain_themselves_are_refused(models):
    for ask in (lambda text: comp_size(text, "text"), load):
        with pytest.raises(ModelError, match="contain each other without end: "):
            ask(composed(models))


def test_submodels_that_explode_are_refused_before_they_are_written_out():
    bomb = {"m": ["a0"] * 10, **{f"a{i}": [f"a{i + 1}"] * 10 for i in range(30)}, "a30": []}

    with pytest.raises(ModelError, match="over 2000 submodels"):
        load(composed(bomb))


def test_the_size_of_a_composed_model_is_its_own_and_its_submodels():
    flat = comp_size(composed({"m": []}), "text")

    assert comp_size(composed({"m": ["a", "a"], "a": ["b"], "b": []}), "text") == flat + 2 + 2 * 3 + 2 * 1
