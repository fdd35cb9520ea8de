"""The corpus: every text once, the same for the same files, held-out files apart."""

from pathlib import Path

import pytest

from stagewise.data.corpus import (
    LEAST,
    MOST,
    CorpusError,
    check,
    corpus,
    digest,
    domain_of,
    installed,
)


def files(folder: Path, texts: dict[str, str]) -> list[tuple[str, Path]]:
    found = []
    for number, (name, text) in enumerate(texts.items()):
        path = folder / f"{number}-{Path(name).name}"
        if Path(name).name == "METADATA":
            path = folder / str(number) / "METADATA"
            path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        found.append((name, path))
    return found


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("pkg/a.py", "code"),
        ("pkg/README.md", "prose"),
        ("pkg-1.dist-info/METADATA", "prose"),
        ("pkg-1.dist-info/licenses/LICENSE", "licences"),
        ("pkg-1.dist-info/LICENSE.txt", "licences"),
        ("pkg/include/x.h", "headers"),
        ("pkg/pyproject.toml", "data"),
        ("pkg/lib.so", None),
        ("pkg/table.csv", None),
    ],
)
def test_domains(name: str, domain: str | None) -> None:
    assert domain_of(name) == domain


def test_duplicates_binaries_and_sizes(tmp_path: Path) -> None:
    text = "The quick brown fox of 1999. " * 30
    other = text.replace("fox", "dog")
    found = corpus(
        files(
            tmp_path,
            {
                "a/LICENSE": text,
                "b/LICENSE": text.replace("1999", "2024").replace(" ", "\n"),
                "c/x.py": other,
                "d/y.py": "short",
                "e/z.py": other + "\0",
                "f/w.py": "w" * (MOST + 1),
                "g-1.dist-info/METADATA": "Name: g\nVersion: 1\n\n" + text.replace("fox", "cat"),
            },
        ),
        most=10**6,
    )
    assert {(d.domain, d.name[0]) for d in found} in (
        {("licences", "a"), ("code", "c"), ("prose", "g")},
        {("licences", "b"), ("code", "c"), ("prose", "g")},
    )
    (description,) = (d for d in found if d.domain == "prose")
    assert description.text.startswith("The quick"), "without the form's headers"


def test_order_of_listing_does_not_matter(tmp_path: Path) -> None:
    listed = files(tmp_path, {f"p/{k}.py": f"{chr(97 + k)} = 0\n" * 200 for k in range(20)})
    once, again = corpus(listed, most=10**6), corpus(listed[::-1], most=10**6)
    assert once == again
    assert digest(once) == digest(again)
    assert len(once) == 20
    few = corpus(listed, most=3000)
    assert [d.name for d in few] == [d.name for d in once[: len(few)]]
    assert 1 < len(few) < 20


def test_held_out_files(tmp_path: Path) -> None:
    listed = files(
        tmp_path, {f"p/{k}.py": f"name_{chr(97 + k % 26)}{'x' * k}\n" * 90 for k in range(200)}
    )
    for most in (10**8, 400_000):  # all of them, and the first of them
        found = corpus(listed, most=most, held_out=0.25)
        whole = sum(len(d.text) for d in found)
        assert 0.2 * whole < sum(len(d.text) for d in found if d.held_out) <= 0.25 * whole
    assert not any(d.held_out for d in corpus(listed, most=10**8, held_out=0.0))


def test_every_domain_has_held_out_text(tmp_path: Path) -> None:
    """Even where each of its files is more than the share; but not all of it."""
    listed = files(
        tmp_path,
        {"a/1.py": "one\n" * 300, "a/2.py": "two\n" * 200, "a/3.py": "six\n" * 250}
        | {"a/README.md": "alone\n" * 200},
    )
    found = corpus(listed, most=10**6, held_out=0.05)
    assert [d.name for d in found if d.held_out] == ["a/2.py"]


def test_no_document_is_most_of_a_domain(tmp_path: Path) -> None:
    lengths = {"a": 3001, "b": 3000, "c": 2000, "d": 1000}
    listed = files(tmp_path, {f"p/{name}.py": name * size for name, size in lengths.items()})
    assert "p/a.py" not in {d.name for d in corpus(listed, most=6000)}
    assert len(corpus(listed, most=6000)) >= 2


def test_empty_and_other_corpora(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the corpus is empty"):
        corpus([], most=100)
    found = corpus(files(tmp_path, {"a/x.py": "x = 1\n" * LEAST}), most=10**6)
    check(found, digest(found), "corpora.a.digest")
    with pytest.raises(CorpusError, match=r"^corpora\.a\.digest: .* has the digest .* not 0000"):
        check(found, "0" * 64, "corpora.a.digest")


def test_another_package_changes_nothing_where_packages_are_named() -> None:
    every = dict(installed())
    some = dict(installed(packages=["NumPy", "snakemake", "not-there"]))
    assert {name.partition("/")[0] for name in some} == {"numpy", "snakemake"}
    assert some == {k: v for k, v in every.items() if k.partition("/")[0] in ("numpy", "snakemake")}


def test_what_is_installed_here() -> None:
    """The real environment has text of every domain, and this project is not part of it."""
    listed = list(installed())
    assert listed == sorted(listed)
    assert not any(name.startswith("stagewise/") for name, _ in listed)
    found = corpus(listed, most=200_000)
    sizes: dict[str, int] = {}
    for document in found:
        sizes[document.domain] = sizes.get(document.domain, 0) + len(document.text)
    assert set(sizes) == {"code", "prose", "licences", "headers", "data"}
    assert min(sizes.values()) > 50_000
