"""Numbers are said with the digits that count."""

from sbml_hybrid.wording import brief, counted, duration, size


def test_times_are_said_as_people_say_them():
    assert [duration(s) for s in (0.02, 0.3, 40, 95, 1500, 9000, 200_000)] == [
        "0.1 s", "0.3 s", "40 s", "1.6 min", "25 min", "2.5 h", "2.3 days",
    ]  # fmt: skip


def test_the_time_of_one_trajectory_is_said_however_short():
    assert [brief(s) for s in (2.5, 0.9996, 0.013, 0.99e-3, 8e-5)] == [
        "2.5 s",
        "1 s",
        "13 ms",
        "990 \u00b5s",
        "80 \u00b5s",
    ]


def test_sizes_are_said_as_people_say_them():
    assert [size(b) for b in (12, 38_000, 999.6e6, 2e9, 3e12)] == ["12 B", "38 kB", "1 GB", "2 GB", "3 TB"]


def test_a_million_is_readable():
    assert counted(1_000_000).replace("\u00a0", " ") == "1 000 000 trajectories"
    assert counted(1) == "1 trajectory"
