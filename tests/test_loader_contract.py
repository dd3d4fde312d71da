"""One contract, held against every loader: what a caller may rely on, whatever the source is."""

from __future__ import annotations

import gc
import math
import os
import random
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from loader_cases import CASES, Case, Items, Place
from web_server import Site, serving

from loaders import Options, load
from recommender import registry
from recommender.errors import SourceError
from recommender.items import Record, Reject, check_id

FILMS = [
    ("Alien", "A title in capitals"),
    ("alien", "A creature in space"),
    ("brazil", "A clerk and a dream"),
    ("cafe\u0301", "The accent apart"),
    ("caf\u00e9", "The accent composed"),
]
"""Ids that differ in case or Unicode form only stay apart."""

FORMATS = [pytest.param(name, id=name.replace(" ", "-")) for name in CASES]
READ = Path("/proc/self/io")


def many(name: str, factor: float = 1) -> Items:
    """Enough items, of some hundred characters each, to see whether they are read one by one."""
    count, repeat = (200, 600) if CASES[name].is_folder else (2_000, 60)
    titles = (f"Film {number} {'so long ' * repeat}" for number in range(int(count * factor)))
    return [(f"f{number:05}", title) for number, title in enumerate(titles)]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def place(tmp_path: Path, site: Site) -> Place:
    """A new folder, and the site with nothing in it."""
    site.answers.clear()
    site.seen.clear()
    return Place(tmp_path, site)


def made(name: str, place: Place, items: Items, bad: bool = False) -> str:
    case = CASES[name]
    source = case.make(place, items[:1] if case.is_single else items, bad)
    folder = Path(source)
    if folder.is_dir() and len(list(folder.iterdir())) != len(items) + bad:
        pytest.skip("this file system takes some of the names for the same")
    return source


def read(name: str, source: str, **options: Any) -> Iterator[Record | Reject]:
    return load(source, Options(format=CASES[name].asked, allow_private=True, **options))


def format_of(name: str) -> str:
    return CASES[name].asked or name.partition(" ")[0]


def asked(name: str, source: str) -> Iterator[Record | Reject]:
    """Read by the format's name, for sources that do not tell it."""
    return load(source, Options(format=format_of(name), allow_private=True))


def path_of(source: str) -> Path:
    return Path(source.removeprefix("sqlite:///file:").partition("?")[0])


def ids_of(case: Case, items: Items, place: Place) -> list[str]:
    shown = [quote(id) if case.is_remote else id for id, _ in items]
    return [
        case.id.format(id, site=place.site.url) for id in shown[: 1 if case.is_single else None]
    ]


def same(one: Any, other: Any) -> bool:
    """Whether two cells are equal, in type too."""
    if isinstance(one, np.ndarray):
        return type(one) is type(other) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def is_plain(cell: Any) -> bool:
    """Whether a cell is what JSON holds, or a vector."""
    if isinstance(cell, np.ndarray):
        return cell.ndim == 1 and cell.dtype.kind == "f"
    if type(cell) is dict:
        return all(type(key) is str for key in cell) and all(map(is_plain, cell.values()))
    if type(cell) is list:
        return all(map(is_plain, cell))
    if type(cell) is float:
        return math.isfinite(cell)
    return cell is None or type(cell) in (str, int, bool)


def open_files() -> int:
    gc.collect()  # what other tests left
    return len(os.listdir("/dev/fd"))


def test_every_loader_is_held_to_the_contract() -> None:
    assert {name.partition(" ")[0] for name in CASES} == set(
        registry.BUILT_IN["recommender.loaders"]
    )


# --- what comes -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_the_items_come_in_order_with_ids_of_their_own(name: str, place: Place) -> None:
    case = CASES[name]
    entries = list(read(name, made(name, place, FILMS)))
    assert [type(entry) for entry in entries] == [Record] * len(entries), entries
    values = [entry.values for entry in entries if isinstance(entry, Record)]
    assert [check_id(row["id"]) for row in values] == ids_of(case, FILMS, place)
    if case.has_titles:
        assert all(
            title in str(list(row.values()))
            for row, (_, title) in zip(values, FILMS[: len(values)], strict=True)
        )


@pytest.mark.parametrize("name", FORMATS)
def test_cells_are_plain_values_under_names(name: str, place: Place) -> None:
    for entry in read(name, made(name, place, FILMS)):
        assert isinstance(entry, Record)
        assert all(type(column) is str for column in entry.values)
        assert [cell for cell in entry.values.values() if not is_plain(cell)] == []


@pytest.mark.parametrize("name", FORMATS)
def test_places_name_the_source_without_its_folder_each_its_own(name: str, place: Place) -> None:
    case = CASES[name]
    source = made(name, place, FILMS, bad=case.has_bad)
    places = [entry.place for entry in read(name, source)]
    base = case.base.format(site=place.site.url)
    assert [shown for shown in places if not shown.startswith(base)] == []
    assert len(set(places)) == len(places)
    assert str(place.folder) not in "".join(places)


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_run_gives_the_same(name: str, place: Place) -> None:
    source = made(name, place, FILMS, bad=CASES[name].has_bad)
    for one, other in zip(read(name, source), read(name, source), strict=True):
        assert (one.place, type(one)) == (other.place, type(other))
        if isinstance(one, Record) and isinstance(other, Record):
            assert same(dict(one.values), dict(other.values))
        else:
            assert one == other


@pytest.mark.parametrize("name", FORMATS)
def test_a_bad_record_costs_only_itself(name: str, place: Place) -> None:
    case = CASES[name]
    if not case.has_bad:
        pytest.skip(f"{name} has no bad record among good ones")
    entries = list(read(name, made(name, place, FILMS, bad=True)))
    good = [entry.values["id"] for entry in entries if isinstance(entry, Record)]
    [reject] = [entry for entry in entries if isinstance(entry, Reject)]
    assert good == ids_of(case, FILMS, place)
    assert reject.reason


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "path",
    ["a b#c%20d?e=f&g", "*[é]'\"\\$HOME;", "films", b"b\xff"],
    ids=["url", "shell", "plain", "bytes"],
)
def test_a_folder_may_be_called_anything(
    name: str, path: str | bytes, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    if case.is_remote or (name == "sql" and path != "films"):
        pytest.skip(f"{name} is named by a URL, whose signs have a meaning")
    (place.folder / "made").mkdir()
    made_as = made(name, Place(place.folder / "made", place.site), FILMS)
    folder = (place.folder / "made").rename(place.folder / os.fsdecode(path))
    source = made_as.replace(f"{place.folder}/made/", f"{folder}/")
    whole = [entry.place for entry in read(name, source)]
    monkeypatch.chdir(folder)
    relative = source.replace(f"{folder}/", "")
    assert [entry.place for entry in read(name, relative)] == whole
    assert str(place.folder) not in "".join(whole)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "path",
    ["films\udcff", "\0films", "films" * 1_000, "~", "", " "],
    ids=["bytes", "nul", "long", "home", "empty", "blank"],
)
def test_a_name_that_is_no_name_is_our_error_or_none(name: str, path: str, place: Place) -> None:
    source = made(name, place, FILMS)
    other = source.replace("films", path).replace("sitemap.xml", path)
    with suppress(OSError, ValueError):
        os.rename(source, other)
    found = outcome(name, other)
    assert isinstance(found, SourceError) or found == {Record}
    str(found).encode()


# --- when it comes ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_looked_at_before_the_first_record_is_asked_for(name: str, place: Place) -> None:
    gone = made(name, place, FILMS).replace("films", "later").replace("sitemap.xml", "later.xml")
    entries = asked(name, gone)
    assert place.site.seen == []
    with pytest.raises(SourceError):
        next(entries)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("limit", [1, 2, 4, 99])
def test_a_limit_counts_what_comes(name: str, place: Place, limit: int) -> None:
    case = CASES[name]
    source = made(name, place, FILMS, bad=case.has_bad)
    whole = [entry.place for entry in read(name, source)]
    place.site.seen.clear()
    assert [entry.place for entry in read(name, source, limit=limit)] == whole[:limit]
    if case.is_remote:
        assert len(place.site.seen) == 1 + min(limit, len(whole))  # the sitemap, then the pages


@pytest.mark.skipif(not READ.exists(), reason="only Linux counts what a process reads")
@pytest.mark.parametrize("name", FORMATS)
def test_a_limit_reads_no_more_than_it_needs(name: str, place: Place) -> None:
    case = CASES[name]
    if case.is_single or case.is_whole or case.is_remote:
        pytest.skip(f"{name} is read as a whole, or counted by its requests")
    source = made(name, place, many(name, 4))
    list(read(name, source, limit=1))  # imports read files, too

    def count(**options: Any) -> int:
        before = READ.read_text()
        for _ in read(name, source, **options):
            pass
        numbers = [int(text.split()[1]) for text in (before, READ.read_text())]
        return numbers[1] - numbers[0]

    assert count(limit=2) < count() / 2


@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_source(
    name: str, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = CASES[name]
    if case.is_single or case.is_whole or case.is_remote:
        pytest.skip(f"{name} is one item, held as a whole, or has its own test")
    peaks, sizes = [], []
    for factor in (1, 6):
        items = many(name, factor)
        source = made(name, Place(tmp_path_factory.mktemp("many"), site), items)
        sizes.append(sum(len(title) for _, title in items))
        list(read(name, source, limit=1))
        tracemalloc.start()
        for _ in read(name, source):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < (sizes[1] - sizes[0]) / 4


@pytest.mark.parametrize("name", FORMATS)
def test_progress_goes_from_0_to_1_where_the_size_is_known(name: str, place: Place) -> None:
    told: list[float] = []
    items = FILMS if CASES[name].is_remote else many(name, 1.25)
    for _ in read(name, made(name, place, items), progress=told.append):
        assert told == sorted(told)
    assert all(0 <= part <= 1 for part in told)
    assert told[-1:] == ([1.0] if CASES[name].has_size else [])


# --- what breaks ------------------------------------------------------------------------------


def outcome(name: str, source: str) -> SourceError | set[type]:
    """Our error, or the kinds of what came."""
    try:
        return {type(entry) for entry in asked(name, source)}
    except SourceError as error:
        return error


def refused(name: str, source: str) -> None:
    """Our error, which says what to do; where every record is judged alone, Rejects alone."""
    found = outcome(name, source)
    assert found.remedy if isinstance(found, SourceError) else found == {Reject}, found


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_source(name: str, place: Place) -> None:
    gone = made(name, place, FILMS).replace("films", "gone").replace("sitemap.xml", "gone.xml")
    found = outcome(name, gone)
    assert isinstance(found, SourceError)
    assert found.remedy, found


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "content", [b"", b"\n\n", random.Random(1).randbytes(5_000)], ids=["empty", "blank", "random"]
)
def test_a_source_that_is_empty_or_of_another_kind(name: str, place: Place, content: bytes) -> None:
    source = made(name, place, FILMS)
    path = path_of(source)
    if CASES[name].is_remote:
        place.site.put("/sitemap.xml", content, "application/xml")
    elif path.is_dir():
        for file in path.iterdir():
            file.write_bytes(content)
    else:
        path.write_bytes(content)
    refused(name, source)


@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_our_error_or_costs_records(name: str, place: Place) -> None:
    if CASES[name].is_remote:
        pytest.skip(f"{name} is remote here")
    source = made(name, place, FILMS)
    path = path_of(source)
    path = min(path.iterdir()) if path.is_dir() else path
    whole, chance = path.read_bytes(), random.Random(name)
    for _ in range(40):
        damaged = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(damaged) + 1)
            damaged[at : at + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
        path.write_bytes(damaged)
        found = outcome(name, source)
        assert isinstance(found, SourceError) or found <= {Record, Reject}, bytes(damaged)


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_for_a_file_and_a_file_for_a_folder(name: str, place: Place) -> None:
    if CASES[name].is_remote:
        pytest.skip(f"{name} is remote here")
    (place.folder / "other").mkdir()
    (place.folder / "other.txt").write_text("def x y")
    other = str(place.folder / ("other.txt" if CASES[name].is_folder else "other"))
    if name == "sql":
        other = f"sqlite:///file:{other}?mode=ro&uri=true"
    refused(name, other)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_stays_open(name: str, place: Place) -> None:
    source = made(name, place, FILMS if CASES[name].is_remote else many(name, 1.25))
    list(read(name, source, limit=1))  # what is opened once a process, like a table of suffixes
    before = open_files()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in read(name, source):  # to its end
            pass
        list(read(name, source, limit=2))
        next(read(name, source))  # and left
        entries = read(name, source)
        next(entries)
        entries.close()  # type: ignore[attr-defined]
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    if not CASES[name].is_remote:  # the site's own connections end when they like
        assert open_files() == before


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_stays_open_after_an_error(name: str, place: Place) -> None:
    source = made(name, place, FILMS).replace("films", "gone").replace("sitemap.xml", "gone.xml")
    before = open_files()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with suppress(SourceError):
            list(asked(name, source))
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    if not CASES[name].is_remote:
        assert open_files() == before
