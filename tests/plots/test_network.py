"""The picture of a network shows what the model says, once, legibly, and the same each time."""

import dataclasses
import itertools
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

import sbml_hybrid as sh
from sbml_hybrid.errors import ModelError, UnknownName
from sbml_hybrid.plots.placement import complete, place

GALLERY = (
    "gardner_2000", "goldbeter_1995", "huang_ferrell_1996", "lotka_volterra", "repressilator", "sir", "tyson_1991",
    "wolf_heinrich_2000",
)  # fmt: skip
BOXES = ("species:", "boundary:", "ruled:", "copy:")


def drawn(picture, *kinds):
    """Gid -> patch of what is drawn, in the order of drawing."""
    there = [(p.get_gid(), p) for p in picture[0].patches if p.get_gid()]
    return [(gid, patch) for gid, patch in there if gid.startswith(kinds)]


def ids(picture, *kinds):
    return [gid.split(":", 1)[1] for gid, _ in drawn(picture, *kinds)]


def rectangle(patch):
    return patch.get_x(), patch.get_y(), patch.get_x() + patch.get_width(), patch.get_y() + patch.get_height()


def middle(patch):
    x, y, far, low = rectangle(patch)
    return (x + far) / 2, (y + low) / 2


def texts(picture):
    return [text.get_text() for text in picture[0].texts]


def layout_element(boxes):
    """The layout annotation of level 2: (species, x, y, width, height) each."""
    glyphs = "".join(
        f'<speciesGlyph id="g{i}" species="{id}"><boundingBox><position x="{x}" y="{y}"/>'
        f'<dimensions width="{w}" height="{h}"/></boundingBox></speciesGlyph>'
        for i, (id, x, y, w, h) in enumerate(boxes)
    )
    return (
        '<annotation><listOfLayouts xmlns="http://projects.eml.org/bcb/sbml/level2"><layout id="l"><dimensions '
        f'width="400" height="400"/><listOfSpeciesGlyphs>{glyphs}</listOfSpeciesGlyphs></layout></listOfLayouts>'
        "</annotation>"
    )


def with_layout(model, boxes):
    start = model.sbml.index(">", model.sbml.index("<model")) + 1
    return dataclasses.replace(model, sbml=model.sbml[:start] + layout_element(boxes) + model.sbml[start:])


@pytest.fixture(scope="module")
def gallery(root):
    return {name: sh.load(root / "models" / f"{name}.ant") for name in GALLERY}


@pytest.fixture(scope="module")
def pictures(gallery):
    return {name: sh.plots.network(model) for name, model in gallery.items()}


@pytest.mark.parametrize("name", GALLERY)
def test_every_species_and_reaction_is_drawn_once(gallery, pictures, name):
    model, picture = gallery[name], pictures[name]

    assert sorted(ids(picture, *BOXES)) == sorted(s.id for s in model.species)
    assert sorted(ids(picture, "reaction:")) == sorted(r.id for r in model.reactions)
    written = " ".join(texts(picture)).replace("\n", "")
    assert all(s.id in written for s in model.species)
    assert all(r.id in written for r in model.reactions)


@pytest.mark.parametrize("name", GALLERY)
def test_lines_are_the_reactants_and_products_of_each_reaction(gallery, pictures, name):
    expected = {
        f"{role}:{p.species}:{r.id}" if role == "reactant" else f"{role}:{r.id}:{p.species}"
        for r in gallery[name].reactions
        for role, side in (("reactant", r.reactants), ("product", r.products))
        for p in side
    }

    lines = [gid for gid, _ in drawn(pictures[name], "reactant:", "product:")]

    assert sorted(lines) == sorted(expected)


@pytest.mark.parametrize("name", GALLERY)
def test_no_box_covers_another(pictures, name):
    boxes = [rectangle(patch) for _, patch in drawn(pictures[name], *BOXES, "reaction:")]

    for a, b in itertools.combinations(boxes, 2):
        assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]


@pytest.mark.parametrize("name", GALLERY)
def test_no_name_covers_a_box_or_another_name_or_leaves_the_figure(pictures, name):
    picture = pictures[name]
    picture.figure.draw_without_rendering()
    names = {t.get_text().replace("\n", ""): t.get_window_extent() for t in picture[0].texts}
    frame = picture.figure.bbox
    reactions = {id: names[id] for id in ids(picture, "reaction:")}
    boxes = {gid.split(":")[1]: patch.get_window_extent() for gid, patch in drawn(picture, *BOXES)}

    for a, b in itertools.combinations([*reactions.values()], 2):
        assert not a.overlaps(b)
    for name_, box in itertools.product(reactions.values(), boxes.values()):
        assert not name_.overlaps(box)
    for id, box in boxes.items():
        assert box.x0 <= names[id].x0 and names[id].x1 <= box.x1
    assert all(frame.x0 <= n.x0 and n.x1 <= frame.x1 and frame.y0 <= n.y0 and n.y1 <= frame.y1 for n in names.values())


def heads(picture, gid):
    """Whether the line has a head at its start and at its end."""
    (patch,) = (p for g, p in drawn(picture, gid) if g == gid)
    if not isinstance(patch, FancyArrowPatch):
        return False, False
    arrow = patch.get_arrowstyle().arrow
    return arrow.startswith("<"), arrow.endswith(">")


def test_a_line_ends_with_a_head_where_the_reaction_leads():
    model = sh.load("R: A => B; k*A; Q: B -> C; k*B; D: C => ; k*C; A = 1; B = 0; C = 0; k = 1")

    picture = sh.plots.network(model)

    assert heads(picture, "reactant:A:R") == (False, False)
    assert heads(picture, "product:R:B") == (False, True)
    assert heads(picture, "reactant:B:Q") == heads(picture, "product:Q:C") == (False, True)
    assert heads(picture, "reactant:C:D") == (False, True)


def test_lines_reach_from_box_to_square():
    picture = sh.plots.network(sh.load("R: A + B => C; k*A*B; A = 1; B = 1; C = 0; k = 1"))
    boxes = {gid.split(":")[1]: rectangle(p) for gid, p in drawn(picture, *BOXES, "reaction:")}

    for gid, patch in drawn(picture, "reactant:", "product:"):
        _, source, target = gid.split(":")
        path = patch.get_path() if not isinstance(patch, FancyArrowPatch) else patch._path_original
        species, square = (source, target) if source != "R" else (target, source)
        for point, id in ((path.vertices[0], square), (path.vertices[-1], species)):
            x, y, far, low = boxes[id]
            assert x - 5 <= point[0] <= far + 5 and y - 5 <= point[1] <= low + 5


def test_stoichiometries_other_than_one_are_written():
    picture = sh.plots.network(sh.load("R: 2 A => 0.5 B + C; k*A; A = 1; B = 0; C = 0; k = 1"))

    assert sorted(t for t in texts(picture) if t[0].isdigit()) == ["0.5", "2"]


def legend(picture):
    return [text.get_text() for text in picture.figure.legends[0].get_texts()]


def test_the_legend_names_what_is_drawn_and_nothing_else():
    plain = sh.load("R: A => B; k*A; A = 1; B = 0; k = 1")
    full = sh.load("R: $A => B; k*E*A; A = 1; B = 0; E = 1; k = 1; E' = -B; species E")

    assert legend(sh.plots.network(plain)) == ["species", "reaction"]
    assert legend(sh.plots.network(full)) == [
        "species",
        "boundary species (dashed)",
        "set by a rule",
        "reaction",
        "speeds up or slows down",
        "acts through a rule or event",
    ]


def test_a_model_of_rate_rules_alone_is_a_network_of_influences():
    picture = sh.plots.network(sh.load("v' = v - v^3 - w; w' = 0.1*(v - w); v = 1; w = 0"))

    assert sorted(ids(picture, "ruled:")) == ["v", "w"]
    assert sorted(ids(picture, "rule:")) == ["v:w", "w:v"]


def test_the_same_model_gives_the_same_picture(gallery, tmp_path):
    model = gallery["wolf_heinrich_2000"]

    first, second = (sh.plots.network(model).save(tmp_path / f"{i}.svg").read_bytes() for i in (1, 2))

    assert first == second


def test_places_of_the_file_are_used_as_they_are():
    model = sh.load("R: A => B; k*A; A = 1; B = 0; k = 1")
    drawing = with_layout(model, [("A", 10, 20, 80, 30), ("B", 300, 200, 70, 25)])

    picture = sh.plots.network(drawing)

    boxes = {gid: rectangle(patch) for gid, patch in drawn(picture, "species:")}
    assert boxes == {"species:A": (10, 20, 90, 50), "species:B": (300, 200, 370, 225)}
    assert picture[0].yaxis_inverted()
    (square,) = (middle(patch) for _, patch in drawn(picture, "reaction:"))
    assert 90 < square[0] < 300 and 35 < square[1] < 213


def test_what_the_file_does_not_place_is_placed_around_it():
    model = sh.load("R: A => B; k*A; Q: B => C; k*B; A = 1; B = 0; C = 0; k = 1")
    drawing = with_layout(model, [("A", 10, 20, 80, 30), ("B", 300, 200, 70, 25)])

    picture = sh.plots.network(drawing)

    boxes = {gid: rectangle(patch) for gid, patch in drawn(picture, *BOXES, "reaction:")}
    assert boxes["species:A"] == (10, 20, 90, 50) and boxes["species:B"] == (300, 200, 370, 225)
    assert len(boxes) == 5 and np.isfinite(list(boxes.values())).all()
    for a, b in itertools.combinations(boxes.values(), 2):
        assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]


def test_a_layout_with_less_than_half_of_the_species_is_not_used():
    model = sh.load("R: A => B; k*A; Q: B => C; k*B; A = 1; B = 0; C = 0; k = 1")

    picture = sh.plots.network(with_layout(model, [("A", 1000, 2000, 80, 30)]))

    (box,) = (rectangle(patch) for gid, patch in drawn(picture, "species:A"))
    assert box != (1000, 2000, 1080, 2030)


def test_a_species_that_the_file_draws_twice_is_drawn_twice():
    model = sh.load("R: A => B; k*A; A = 1; B = 0; k = 1")
    twice = with_layout(model, [("A", 10, 20, 80, 30), ("B", 300, 200, 70, 25), ("A", 10, 300, 80, 30)])

    picture = sh.plots.network(twice)

    assert texts(picture).count("A") == 2


def test_currency_gets_a_copy_at_each_reaction(gallery):
    model = gallery["wolf_heinrich_2000"]

    picture = sh.plots.network(model, currency="ATP")

    assert "ATP" not in ids(picture, "species:")
    assert sorted(ids(picture, "copy:")) == [f"ATP at v{i}" for i in (1, 3, 4, 7)]
    with pytest.raises(UnknownName, match="Did you mean 'ATP'"):
        sh.plots.network(model, currency=["atp"])


@pytest.mark.parametrize("name", ["$x_1$", "a_b^c", r"\alpha \frac{1}{2}", "$", "<&>", "%s {0}", "β-catenin"])
def test_names_are_shown_as_they_are(name, tmp_path):
    model = sh.load("R: A => B; k*A; A = 1; B = 0; k = 1")
    species = (dataclasses.replace(model.species[0], name=name), model.species[1])

    picture = sh.plots.network(dataclasses.replace(model, species=species), labels="name")

    (shown,) = (t for t in picture[0].texts if t.get_text().replace("\n", " ") == name)
    assert not shown.get_parse_math() and not shown.get_usetex()
    picture.save(tmp_path / "network.svg")


def test_compartments_are_rectangles_that_hold_their_species_and_keep_apart():
    text = """
    compartment cell = 1, medium = 1, nucleus = 1
    species A in cell, B in medium, C in nucleus, D in cell, E in medium
    R: A => B; k*A; Q: B => C; k*B; P: A => D; k*A; O: B => E; k*B
    A = 1; k = 1
    """
    model = sh.load(text)

    picture = sh.plots.network(model)

    frames = {gid.split(":")[1]: rectangle(patch) for gid, patch in drawn(picture, "compartment:")}
    assert set(frames) == {"cell", "medium", "nucleus"} <= set(texts(picture))
    for a, b in itertools.combinations(frames.values(), 2):
        assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
    places = {gid.split(":")[1]: middle(patch) for gid, patch in drawn(picture, "species:")}
    for species in model.species:
        for id, (x, y, far, low) in frames.items():
            inside = x < places[species.id][0] < far and y < places[species.id][1] < low
            assert inside == (id == species.compartment)


def test_one_compartment_is_not_drawn(pictures):
    assert not drawn(pictures["tyson_1991"], "compartment:")


def test_a_network_is_drawn_into_given_axes(gallery):
    figure = Figure(figsize=(6, 4))
    left, _ = figure.subplots(1, 2)

    picture = sh.plots.network(gallery["sir"], axes=left)

    assert picture.shape == (1,) and picture[0] is left
    assert left.get_legend() is not None
    assert all(text.get_fontsize() <= 9 for text in left.texts)


def test_names_that_would_be_too_small_are_left_out_with_a_note(gallery):
    figure = Figure(figsize=(1.5, 1.5))

    picture = sh.plots.network(gallery["huang_ferrell_1996"], axes=figure.subplots())

    assert texts(picture) == ["52 names left out: too small to read at this size."]


def test_a_model_without_anything_to_draw_says_so():
    with pytest.raises(ModelError, match="has no species and no rate rule: there is no network to draw"):
        sh.plots.network(sh.load("k = 1; j := 2*k"))


def test_labels_are_ids_or_names(gallery):
    with pytest.raises(ValueError, match="labels must be 'id' or 'name', got 'ids'"):
        sh.plots.network(gallery["sir"], labels="ids")


def test_species_that_stand_alone_are_drawn():
    picture = sh.plots.network(sh.load("species A, B, C; A = 1; B = 1; C = 1"))

    assert sorted(ids(picture, "species:")) == ["A", "B", "C"]


@given(st.data())
def test_boxes_never_overlap_whatever_the_links(data):
    count = data.draw(st.integers(1, 12))
    sizes = {str(i): data.draw(st.tuples(st.floats(4, 120), st.floats(4, 40))) for i in range(count)}
    one = st.sampled_from(sorted(sizes))
    links = data.draw(st.lists(st.tuples(one, one), max_size=20))

    places = place(sizes, links)

    assert places == place(sizes, links)
    for a, b in itertools.combinations(sizes, 2):
        apart = np.abs(np.subtract(places[a], places[b]))
        assert (apart >= np.add(sizes[a], sizes[b]) / 2 - 1e-6).any()


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.floats(-500, 500), st.floats(-500, 500)), min_size=1))
def test_known_places_stay(known):
    sizes = dict.fromkeys("abcdefgh", (40.0, 20.0))

    places = complete(known, sizes, [("a", "g"), ("g", "b"), ("c", "d")])

    assert set(places) == set(sizes)
    assert {key: places[key] for key in known} == known
    assert np.isfinite(list(places.values())).all()


FEW = ("BIOMD0000000142", "BIOMD0000000321", "BIOMD0000000330", "BIOMD0000000765", "BIOMD0000000981")


def core(test_data, wanted):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        for name in (test_data / "biomodels_core.txt").read_text().split():
            if wanted(name.split("/")[0]):
                yield sh.load(archive.read(name).decode())


def check_core_model(model, path):
    picture = sh.plots.network(model)
    assert sorted(ids(picture, "reaction:")) == sorted(r.id for r in model.reactions)
    assert {s.id for s in model.species} <= {key.split(" (")[0] for key in ids(picture, *BOXES)}
    assert max(picture.figure.get_size_inches()) < 15
    assert picture.save(path, dpi=50).stat().st_size > 1000


def test_published_models_of_every_kind_are_drawn(test_data, tmp_path):
    for model in core(test_data, FEW.__contains__):
        check_core_model(model, tmp_path / "network.png")


@pytest.mark.parametrize(
    "every",
    [pytest.param(3, id="every third", marks=pytest.mark.slow), pytest.param(1, id="all", marks=pytest.mark.suite)],
)
def test_core_models_are_drawn(test_data, tmp_path, every):
    names = [name.split("/")[0] for name in (test_data / "biomodels_core.txt").read_text().split()[::every]]

    drawn_ = [check_core_model(model, tmp_path / "network.png") for model in core(test_data, names.__contains__)]

    assert len(drawn_) == len(names)
