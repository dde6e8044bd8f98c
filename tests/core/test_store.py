import sqlite3

import pytest

from hocket.core.errors import StudyError, UserError
from hocket.core.store import FORMAT, Outcome, Store

FIRST = Outcome(metrics={"makespan": 12.0, "share": 0.1 + 0.2}, digest="abc", seconds=0.5)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "study.sqlite"


def filled(file, count=1, name="ta01"):
    store = Store(file)
    for n in range(count):
        store.save(f"key-{n}", name, {"policy": "shop/spt"}, n, FIRST)
    return store


def reopened(file, **options):
    store = Store(file, **options)
    found = store.load()
    store.close()
    return found


def test_outcomes_come_back_exactly(file):
    filled(file).close()
    assert reopened(file) == {"key-0": FIRST}


def test_another_connection_sees_an_outcome_when_save_returns(file):
    store = filled(file, 3)
    assert len(reopened(file)) == 3
    store.close()


def test_failures_are_kept_out_and_replaced(file):
    store = filled(file)
    store.save("key-1", "ta01", {}, 1, Outcome(error="it failed"))
    assert set(store.load()) == {"key-0"}
    store.save("key-1", "ta01", {}, 1, FIRST)
    assert set(store.load()) == {"key-0", "key-1"}
    store.close()


def test_seeds_of_any_size(file):
    store = filled(file)
    store.save("big", "ta01", {}, 2**128 - 1, FIRST)
    assert "big" in store.load()
    store.close()


def test_it_forgets_what_it_is_told_and_nothing_else(file):
    filled(file, 3).close()
    assert set(reopened(file, forget=["key-0", "key-2", "never"])) == {"key-1"}
    assert set(reopened(file)) == {"key-1"}


def test_the_folder_is_made(tmp_path):
    deep = tmp_path / "a" / "b" / "study.sqlite"
    filled(deep).close()
    assert deep.exists()


@pytest.mark.parametrize("forget", [["key-0"], []])
def test_random_bytes_are_no_study(file, forget):
    file.write_bytes(bytes(range(256)) * 16)
    with pytest.raises(StudyError, match=r"study\.sqlite is not a usable study file.*Delete it"):
        Store(file, forget=forget)


def test_a_truncated_file(file):
    filled(file, 60, "long " * 300).close()
    whole = file.read_bytes()
    for share in (0.3, 0.6, 0.9):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(StudyError, match="not a usable study file"):
            reopened(file)


def test_a_file_with_a_damaged_page(file):
    filled(file, 60, "long " * 300).close()
    data = bytearray(file.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    file.write_bytes(data)
    with pytest.raises(StudyError, match="not a usable study file"):
        reopened(file)


def test_the_database_of_another_program_is_left_alone(file):
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.close()
    before = file.read_bytes()
    with pytest.raises(StudyError, match="a database of another program"):
        Store(file, forget=["key-0"])
    assert file.read_bytes() == before


def test_an_older_format_says_so_and_is_left_alone(file):
    filled(file).close()
    with sqlite3.connect(file) as db:
        db.execute("UPDATE study SET format = 'hocket study 0'")
    db.close()
    with pytest.raises(StudyError, match=f"'hocket study 0', this program writes '{FORMAT}'"):
        Store(file, forget=["key-0"])
    with sqlite3.connect(file) as db:
        assert db.execute("SELECT count(*) FROM outcome").fetchone() == (1,)
    db.close()


@pytest.mark.parametrize("result", ["no json", '{"metrics": 3}', "[]"])
def test_a_row_that_is_no_outcome(file, result):
    filled(file).close()
    with sqlite3.connect(file) as db:
        db.execute("UPDATE outcome SET result = ?", (result,))
    db.close()
    with pytest.raises(StudyError, match="not a usable study file"):
        reopened(file)


def test_a_missing_table(file):
    filled(file).close()
    with sqlite3.connect(file) as db:
        db.execute("DROP TABLE outcome")
        db.execute("CREATE TABLE outcome (other TEXT)")
    db.close()
    with pytest.raises(StudyError, match="not a usable study file"):
        reopened(file)


def test_a_place_that_cannot_be_written_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"cannot write the study file .*--study FILE"):
        Store(tmp_path)  # a folder
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the study file"):
        Store(tmp_path / "file" / "study.sqlite")


def test_a_read_only_file(file, monkeypatch):
    filled(file).close()
    # Whoever may do anything is not stopped by the file's mode, so the answer is put in its place.
    monkeypatch.setattr("hocket.core.store.os.access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"is read-only\. Choose a place"):
        Store(file)


def test_a_read_only_folder(file, monkeypatch):
    def refuse(path):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("hocket.core.store.sqlite3.connect", refuse)
    with pytest.raises(UserError, match="unable to open database file"):
        Store(file)


def test_a_disk_that_is_full_is_no_damage_to_the_file(file):
    store = filled(file)
    store._db.execute("PRAGMA query_only = ON")  # SQLite then refuses to write, as on a full disk
    with pytest.raises(UserError, match=r"cannot write the study file .*--study FILE"):
        store.save("key-9", "ta01", {}, 9, FIRST)
    store.close()
    assert set(reopened(file)) == {"key-0"}
