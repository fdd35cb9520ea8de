"""Files are whole or absent, whoever writes them."""

from pathlib import Path

import pytest

from stagewise.artifacts import ArtifactError, written_whole


def test_an_error_leaves_the_file_of_before(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), written_whole(path) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file(tmp_path: Path) -> None:
    """The one that ends first has its file whole, the other ends without an error."""
    path = tmp_path / "deep" / "table.csv"
    with written_whole(path) as slow:
        slow.write_text("whole, half writ")
        with written_whole(path) as fast:
            assert fast != slow
            fast.write_text("whole, both written")
        assert path.read_text() == "whole, both written"
    assert path.read_text() == "whole, both written"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_kill_left_is_taken_away(tmp_path: Path) -> None:
    path, other = tmp_path / "draws[1].nc", tmp_path / ".draws.partial-0123.nc"
    left = tmp_path / ".draws[1].partial-0123.nc"
    left.write_text("half")
    other.write_text("another file's")
    with written_whole(path) as temporary:
        temporary.write_text("whole")
    assert {*tmp_path.iterdir()} == {path, other}


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with pytest.raises(ArtifactError, match=r"cannot write .*table\.csv"), written_whole(path):
        pass


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    path = tmp_path / "folder" / "table.csv"
    message = r"cannot write .*table\.csv.*Check the permissions"
    with pytest.raises(ArtifactError, match=message), written_whole(path):
        pass
