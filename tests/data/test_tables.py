"""Tidy tables and a lab's own CSV are datasets, and what cannot be read is said with its line."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid.data.dataset import check, split
from sbml_hybrid.data.exports import write_csv
from sbml_hybrid.data.tables import from_table, read_csv, to_table
from sbml_hybrid.errors import DataError, SourceNotFound, StorageError, UnknownName

HEADER = "trajectory,time,observable,value\n"
FINITE = st.floats(allow_nan=False, allow_infinity=False)
# Names as a lab writes them: no control characters, no blanks at the ends, not numbers alone.
NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=6).filter(
    lambda name: not name.lstrip("-").isdigit()
)


@st.composite
def tables(draw):
    """Tidy tables with unique keys, in any order, integer or named trajectories, replicates or none."""
    labels = draw(st.sampled_from([st.integers(-5, 99), NAMES]))
    trajectories = draw(st.lists(labels, min_size=1, max_size=4, unique=True))
    parts = {
        "trajectory": st.sampled_from(trajectories),
        "time": FINITE,
        "observable": draw(st.lists(NAMES, min_size=1, max_size=3, unique=True).map(st.sampled_from)),
    }
    if draw(st.booleans()):
        parts["replicate"] = st.integers(1, 3)
    keys = draw(st.lists(st.tuples(*parts.values()), min_size=1, max_size=12, unique=True))
    table = pd.DataFrame(keys, columns=list(parts))
    table["value"] = draw(st.lists(FINITE, min_size=len(keys), max_size=len(keys)))
    table["censored"] = np.array(
        draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=len(keys), max_size=len(keys))), np.int8
    )
    wells = {label: draw(NAMES) for label in trajectories}
    table["well"] = [wells[label] for label in table["trajectory"]]
    return table


def in_one_order(table):
    keys = [name for name in ("trajectory", "replicate", "time", "observable") if name in table]
    table = table.astype({name: str for name in table.columns if table[name].dtype == object})
    return table.sort_values(keys, ignore_index=True)[sorted(table.columns)]


@pytest.fixture
def lab(tmp_path):
    """A maker of CSV files."""

    def written(text, encoding="utf-8"):
        path = tmp_path / "plate.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return written


# -- there and back --------------------------------------------------------------------------------


@given(table=tables())
def test_a_table_comes_back_from_its_dataset(table):
    data = from_table(table)

    check(data)
    pd.testing.assert_frame_equal(in_one_order(to_table(data)), in_one_order(table), check_dtype=False)


@given(table=tables(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_measurement(table, seed):
    shuffled = table.sample(frac=1, random_state=seed)

    one, other = from_table(table), from_table(shuffled)

    xr.testing.assert_equal(one, other.sel(trajectory=one["trajectory"], observable=one["observable"]))


@given(table=tables())
def test_a_csv_comes_back_to_the_last_bit(tmp_path_factory, table):
    data = from_table(table)

    path = write_csv(data, tmp_path_factory.mktemp("csv") / "data.csv")

    xr.testing.assert_identical(read_csv(path), from_table(to_table(data)))


@pytest.mark.parametrize("replicates", [0, 2])
def test_a_dataset_comes_back_from_its_table(make, replicates):
    data = make(replicates=replicates, conditions=2, missing=0.4)

    back = from_table(to_table(data))

    expected = data[["measured", "censored"]].drop_vars(["nonnegative"], errors="ignore")
    expected["censored"] = expected["censored"].where(expected["measured"].notnull(), 0).astype(np.int8)
    xr.testing.assert_equal(back, expected)
    assert back["measured"].dims == data["measured"].dims


# -- to_table --------------------------------------------------------------------------------------


def test_each_value_stands_beside_its_labels(make):
    data = make(replicates=2)

    table = to_table(data)

    assert len(table) == int(data["measured"].count())
    for row in table.sample(10, random_state=0).itertuples():
        place = {
            "trajectory": row.trajectory,
            "replicate": row.replicate,
            "time": row.time,
            "observable": row.observable,
        }
        assert data["measured"].sel(place) == row.value
        assert data["draw"].sel(trajectory=row.trajectory) == row.draw


def test_the_truth_is_a_table_of_species(make):
    data = make()

    table = to_table(data, "truth")

    assert table.columns.tolist() == ["trajectory", "draw", "condition", "time", "species", "value"]
    assert len(table) == data["truth"].size


def test_individual_times_stand_in_the_table(make):
    data = make(draws=2, times=3, missing=0.0).drop_vars("time").rename(time="sample")
    data = data.assign_coords(time=(("trajectory", "sample"), [[0.0, 1.0, 2.0], [0.5, 1.5, 2.5]]), sample=range(3))

    table = to_table(data)

    assert sorted(table.loc[table["trajectory"] == 11, "time"].unique()) == [0.5, 1.5, 2.5]
    assert from_table(table).sizes["time"] == 6


def test_an_unknown_variable_is_refused(make):
    with pytest.raises(UnknownName, match=r"No variable over time 'measurd' in the dataset\. Did you mean 'measured'"):
        to_table(make(), "measurd")


# -- a lab's own file ------------------------------------------------------------------------------


def test_a_labs_file_is_a_dataset_that_can_be_split(lab):
    path = lab(
        "\ufefftrajectory, time ,observable,value,replicate,condition,notes\r\n"
        "plate 1/A,0,ERK,1.5,1,low,\r\n"
        "plate 1/A,10,ERK,NA,1,low,bubble\r\n"
        "plate 1/A,0,ERK,1.6,2,low,\r\n"
        "\r\n"
        'plate 1/B,5,"MEK, total",2e-3,1,high,,,\r\n',
        encoding="utf-8",
    )

    data = read_csv(path)

    assert data["trajectory"].values.tolist() == data["draw"].values.tolist() == ["plate 1/A", "plate 1/B"]
    assert data["time"].values.tolist() == [0.0, 5.0, 10.0]
    assert data["observable"].values.tolist() == ["ERK", "MEK, total"]
    assert data["condition"].values.tolist() == ["low", "high"]
    assert data["measured"].dims == ("trajectory", "replicate", "time", "observable")
    assert data["measured"].sel(trajectory="plate 1/A", time=0, observable="ERK").values.tolist() == [1.5, 1.6]
    assert int(data["measured"].count()) == 3
    train, test = split(data, test=0.5)
    assert train.sizes["trajectory"] == test.sizes["trajectory"] == 1


def test_numbered_trajectories_are_numbers_and_codes_stay_codes(lab):
    numbered = read_csv(lab(HEADER + "10,0,X,1\n9,0,X,1\n"))
    coded = read_csv(lab(HEADER + "010,0,X,1\n9,0,X,1\n"))

    assert numbered["trajectory"].values.tolist() == [10, 9]
    assert coded["trajectory"].values.tolist() == ["010", "9"]


def test_trajectories_of_one_draw_stay_together(lab):
    data = read_csv(lab("trajectory,draw,time,observable,value\na,1,0,X,1\nb,1,0,X,2\nc,2,0,X,3\n"))

    assert data["draw"].values.tolist() == [1, 1, 2]


def test_a_time_at_which_nothing_could_be_read_stays_in_the_grid(lab):
    data = read_csv(lab(HEADER + "1,0,X,1\n1,5,X,\n"))

    assert data["time"].values.tolist() == [0.0, 5.0]
    assert np.isnan(data["measured"].values[0, 1, 0])


def test_numbers_of_any_pandas_type_are_read():
    table = pd.DataFrame(
        {
            "trajectory": pd.array([1, 1], dtype="Int64"),
            "time": [0, 1],
            "observable": pd.Categorical(["X", "X"]),
            "value": pd.array([1.5, None], dtype="Float64"),
        },
        index=[7, 7],
    )

    data = from_table(table)

    np.testing.assert_array_equal(data["measured"].values[0, :, 0], [1.5, np.nan])


def test_columns_that_are_not_used_are_named_in_the_log(lab, caplog):
    with caplog.at_level(logging.INFO, "sbml_hybrid"):
        read_csv(lab("trajectory,time,observable,value,operator\n1,0,X,1,me\n"))

    assert "plate.csv: columns that are not used: operator." in caplog.text


BAD = {
    "nothing": ("", r"^plate\.csv is empty\. It needs a header: trajectory, time, observable, value\.$"),
    "a header alone": (HEADER, r"^plate\.csv has no rows\."),
    "a column misses": (
        "Trajectory,time,observable,value\n1,0,X,1\n",
        r"no column 'trajectory'\. Rename 'Trajectory'\? Its columns: Trajectory, time",
    ),
    "a column twice": ("trajectory,time,observable,value,value\n1,0,X,1,2\n", "two columns 'value'. Keep one"),
    "no number": (
        HEADER + "1,0,X,1\n\n1,1,X,n.d.\n",
        r"^line 4 of plate\.csv: the value 'n\.d\.' is not a number\. Leave the cell empty where nothing was measured",
    ),
    "a decimal comma": (
        HEADER + '1,0,X,"1,5"\n',
        r"^line 2 .* the value '1,5' is not a number\. Write decimals with a p",
    ),
    "a bare decimal comma": (
        HEADER + "1,0,X,1,5\n",
        r"^line 2 of plate\.csv has 5 cells, and the header has 4\. Numbers n",
    ),
    "a short row": (HEADER + "1,0\n", r"^line 2 of plate\.csv has 2 cells, and the header has 4"),
    "infinite": (HEADER + "1,0,X,1\n1,1,X,-inf\n", r"^line 3 of plate\.csv: the value is infinite"),
    "no time": (HEADER + "1,,X,1\n", r"^line 2 of plate\.csv has no time\. Every measurement needs one"),
    "a worded time": (HEADER + "1,noon,X,1\n", r"^line 2 of plate\.csv: the time 'noon' is not a number\. Every row"),
    "no trajectory": (HEADER + " ,0,X,1\n", r"^line 2 of plate\.csv has no trajectory"),
    "no observable": (HEADER + "1,0,,1\n", r"^line 2 of plate\.csv has no observable"),
    "twice": (
        HEADER + "a,0,X,1\na,1,X,1\na,0.0,X,2\n",
        r"^line 4 of plate\.csv measures 'X' of trajectory 'a' at time 0 again \(first in line 2 of plate\.csv\)\. "
        r"If they are repeats, number them in a column 'replicate'",
    ),
    "a replicate twice": (
        "trajectory,time,observable,value,replicate\n1,0,X,1,1\n1,0,X,2,1\n",
        r"^line 3 .* again \(first in line 2 of plate\.csv\)\. Remove one",
    ),
    "two conditions": (
        "trajectory,time,observable,value,condition\n1,0,X,1,low\n1,1,X,1,high\n",
        r"^line 3 of plate\.csv gives its trajectory another condition .*A trajectory has one condition",
    ),
    "an odd code": ("trajectory,time,observable,value,censored\n1,0,X,1,2\n", r"^line 2 .*censored must be -1"),
    "semicolons": ("trajectory;time;observable;value\n1;0;X;1,5\n", "has semicolons between its cells. Save it with c"),
    "tabs": ("trajectory\ttime\tobservable\tvalue\n1\t0\tX\t1\n", "has tabs between its cells"),
    "an open quote": (HEADER + '"1,0,X,1\n' + "1,0,X,1\n" * 3, r"has 1 cells, .* Is a quote left open before it\?"),
    "a long open quote": (HEADER + '"1,0,X,1\n' + "1,0,X,1\n" * 20_000, r"cannot be read: .* Is a quote left open\?"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_file_has_its_one_clear_message(lab, name):
    text, message = BAD[name]

    with pytest.raises(DataError, match=message) as caught:
        read_csv(lab(text))

    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_is_refused(lab):
    with pytest.raises(DataError, match=r"plate\.csv is not text in UTF-8 .*Save it as 'CSV UTF-8'"):
        read_csv(lab(HEADER + "1,0,µ,1\n", encoding="latin-1"))


def test_rows_of_a_table_are_named_by_their_position():
    table = pd.DataFrame(
        {"trajectory": [1, 1], "time": [0.0, 1.0], "observable": "X", "value": [1.0, np.inf]}, index=[5, 9]
    )

    with pytest.raises(DataError, match="^row 1 of the table: the value is infinite"):
        from_table(table)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(SourceNotFound, match=r"There is no file .*plate\.csv"):
        read_csv(tmp_path / "plate.csv")


# -- write_csv -------------------------------------------------------------------------------------


def test_a_file_is_replaced_only_when_asked(tmp_path, make):
    path = write_csv(make(seed=1), tmp_path / "data.csv")
    before = path.read_bytes()

    with pytest.raises(FileExistsError, match="is there already"):
        write_csv(make(seed=2), path)
    assert path.read_bytes() == before
    write_csv(make(seed=2), path, overwrite=True)

    assert path.read_bytes() != before


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, make):
    (tmp_path / "taken").write_text("a file, and no folder")

    with pytest.raises(StorageError, match="Cannot write .*File exists"):
        write_csv(make(), tmp_path / "taken" / "data.csv")

    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
