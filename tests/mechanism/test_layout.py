"""A model's own drawing is read as it is in the file, in every form, and nothing in it can do harm."""

import itertools
import zipfile

import libsbml
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sbml_hybrid as sh
from sbml_hybrid.mechanism.layout import Box, Glyph, layout

LEVEL_3 = "http://www.sbml.org/sbml/level3/version1/layout/version1"
LEVEL_2 = "http://projects.eml.org/bcb/sbml/level2"


def document(level=3, boxes=(("S", 10, 20, 60, 24), ("P", 150, 20, 60, 24)), squares=(("R", 110, 32),), layouts=1):
    """SBML as libSBML writes it: S -> P in a compartment, with a layout."""
    version = 1 if level == 3 else 4
    document = libsbml.SBMLDocument(level, version)
    model = document.createModel()
    model.setId("drawn")
    cell = model.createCompartment()
    cell.setId("cell")
    cell.setConstant(True)
    cell.setSize(1)
    for id in ("S", "P"):
        species = model.createSpecies()
        species.setId(id)
        species.setCompartment("cell")
        species.setInitialAmount(1)
        species.setHasOnlySubstanceUnits(False)
        species.setBoundaryCondition(False)
        species.setConstant(False)
    reaction = model.createReaction()
    reaction.setId("R")
    reaction.setReversible(False)
    reaction.setFast(False)
    for side, id in ((reaction.createReactant(), "S"), (reaction.createProduct(), "P")):
        side.setSpecies(id)
        if level == 3:
            side.setConstant(True)
    reaction.createKineticLaw().setMath(libsbml.parseL3Formula("S * cell"))
    document.enablePackage(LEVEL_3 if level == 3 else LEVEL_2, "layout", True)
    if level == 3:
        document.setPackageRequired("layout", False)
    spaces = libsbml.LayoutPkgNamespaces(level, version)
    for number in range(layouts):
        drawing = model.getPlugin("layout").createLayout()
        drawing.setId(f"layout_{number}")
        drawing.setDimensions(libsbml.Dimensions(spaces, 300, 100))
        glyph = drawing.createCompartmentGlyph()
        glyph.setId(f"cell_glyph_{number}")
        glyph.setCompartmentId("cell")
        glyph.setBoundingBox(libsbml.BoundingBox(spaces, f"cell_box_{number}", 0, 0, 300, 100))
        for place, (id, x, y, width, height) in enumerate(boxes if number == layouts - 1 else boxes[:1]):
            glyph = drawing.createSpeciesGlyph()
            glyph.setId(f"glyph_{number}_{place}")
            glyph.setSpeciesId(id)
            glyph.setBoundingBox(libsbml.BoundingBox(spaces, f"box_{number}_{place}", x, y, width, height))
        for id, x, y in squares:
            glyph = drawing.createReactionGlyph()
            glyph.setId(f"square_{number}")
            glyph.setReactionId(id)
            glyph.setBoundingBox(libsbml.BoundingBox(spaces, f"square_box_{number}", x, y, 0, 0))
            end = glyph.createSpeciesReferenceGlyph()
            end.setId(f"end_{number}")
            end.setSpeciesGlyphId(f"glyph_{number}_0")
            end.setRole(libsbml.SPECIES_ROLE_SUBSTRATE)
    return libsbml.writeSBMLToString(document)


@pytest.mark.parametrize("level", [2, 3])
def test_places_and_sizes_are_those_of_the_file(level):
    drawing = layout(sh.load(document(level)))

    assert drawing.id == "layout_0"
    assert drawing.species == (
        Glyph("glyph_0_0", "S", Box(10, 20, 60, 24)),
        Glyph("glyph_0_1", "P", Box(150, 20, 60, 24)),
    )
    assert drawing.compartments == (Glyph("cell_glyph_0", "cell", Box(0, 0, 300, 100)),)
    (square,) = drawing.reactions
    assert (square.of, square.place, square.participants) == ("R", (110, 32), ("glyph_0_0",))


def test_a_model_without_a_drawing_has_none():
    assert layout(sh.load("S -> P; k*S; k = 1; S = 1")) is None


def test_of_several_drawings_the_fullest_is_taken():
    drawing = layout(sh.load(document(layouts=2)))

    assert drawing.id == "layout_1"
    assert [g.of for g in drawing.species] == ["S", "P"]


def foreign(text):
    """A level 2 text with the level 3 elements outside the annotation, as a dozen entries of BioModels have it."""
    text = text.replace(LEVEL_2, LEVEL_3)
    close = "</layout:listOfLayouts>"
    start, end = text.index("<layout:listOfLayouts"), text.index(close) + len(close)
    return text[:start] + text[end:].replace("</annotation>", "</annotation>" + text[start:end], 1)


def test_level_3_elements_in_a_level_2_file_are_read_though_libsbml_passes_over_them():
    text = foreign(document(2))

    assert libsbml.readSBMLFromString(text).getModel().getPlugin("layout").getNumLayouts() == 0
    assert len(layout(sh.load(text)).species) == 2


def test_a_glyph_of_what_the_model_does_not_have_is_passed_over():
    text = foreign(document(2)).replace('layout:species="P"', 'layout:species="nobody"')

    assert [g.of for g in layout(sh.load(text)).species] == ["S"]


@pytest.mark.parametrize("bad", ["NaN", "INF", "-INF", "1e300", "", "ten", "1,5"])
def test_what_is_no_coordinate_is_passed_over(bad):
    text = document(2).replace('layout:x="150"', f'layout:x="{bad}"')

    assert [g.of for g in layout(sh.load(text)).species] == ["S"]


@given(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.floats(1e-3, 1e5), st.floats(1e-3, 1e5))
def test_every_sensible_number_comes_back(x, y, width, height):
    text = document(2).replace('x="150"', f'x="{x!r}"', 1)
    text = text.replace(f'x="{x!r}" layout:y="20"', f'x="{x!r}" layout:y="{y!r}"', 1)
    head, tail = text[: text.index(f'y="{y!r}"')], text[text.index(f'y="{y!r}"') :]
    tail = tail.replace('width="60" layout:height="24"', f'width="{width!r}" layout:height="{height!r}"', 1)

    (found,) = (g.box for g in layout(sh.load(head + tail)).species if g.of == "P")

    assert found == Box(x, y, width, height)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('layout:width="60" layout:height="24"', 'layout:width="-60" layout:height="24"'),
        ('layout:width="60" layout:height="24"', 'layout:width="0" layout:height="24"'),
    ],
)
def test_a_glyph_without_a_size_is_passed_over(old, new):
    text = document(2)
    last = text.rindex(old)

    assert [g.of for g in layout(sh.load(text[:last] + new + text[last + len(old) :])).species] == ["S"]


def test_a_reaction_at_zero_of_no_size_has_no_place():
    (square,) = layout(sh.load(document(3, squares=(("R", 0, 0),)))).reactions

    assert square.place is None


def test_published_layouts_lie_in_their_models(test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        names = [n for n in archive.namelist() if n.split("/")[0][-4:] in {"0546", "0849", "0967", "1044", "0786"}]
        models = [sh.load(archive.read(name).decode()) for name in names]

    drawings = [layout(model) for model in models]

    assert len(drawings) == 5
    for model, drawing in zip(models, drawings, strict=True):
        assert {g.of for g in drawing.species} == {s.id for s in model.species}
        assert len({g.box for g in drawing.species}) == len(drawing.species)
        for glyph in itertools.chain(drawing.species, drawing.compartments):
            assert 0 < glyph.box.width < 3000 and 0 < glyph.box.height < 3000
