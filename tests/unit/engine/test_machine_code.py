"""C++ as machine code: where it is kept, and what happens where it cannot be."""

from ctypes import POINTER, byref, c_int64

import pytest

from stagewise.engine import machine_code
from stagewise.engine.machine_code import CompileError, compiler, function

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

SOURCE = """
#include <cstdint>
extern "C" void add(int64_t a, int64_t b, int64_t* sum) { *sum = a + b + NUMBER; }
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    machine_code._library.cache_clear()
    function.cache_clear()
    yield tmp_path / "cache" / "stagewise"
    machine_code._library.cache_clear()
    function.cache_clear()


def _added(number):
    source = SOURCE.replace("NUMBER", str(number))
    found = c_int64()
    function(source, "add", (c_int64, c_int64, POINTER(c_int64)))(2, 3, byref(found))
    return found.value


def test_kept_by_content(cache, monkeypatch):
    assert _added(10) == 15
    assert [path.suffix for path in cache.iterdir()] == [".so"]  # and nothing half-made
    assert _added(20) == 25
    assert len(list(cache.iterdir())) == 2
    machine_code._library.cache_clear()
    function.cache_clear()
    monkeypatch.setattr(machine_code, "_compile", lambda *given: pytest.fail("compiled again"))
    assert _added(10) == 15


def test_a_cache_that_cannot_be_written(cache):
    cache.parent.mkdir()
    cache.write_text("a file where the folder would be")
    assert _added(30) == 35


def test_what_the_compiler_says(monkeypatch):
    with pytest.raises(CompileError, match="WRONG"):
        _added("WRONG")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CompileError, match="CXX"):
        _added(40)
