"""No configuration ends in a traceback: a few dozen cases of tests/campaigns/fuzz_configuration.py,
which has hundreds."""

import pytest
from copies import Copy, tiny
from forked import snakemake_in_a_fork
from fuzzed import Fuzzed, broken, plain
from hypothesis import HealthCheck, Phase, given, settings

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return tiny(tmp_path_factory.mktemp("fuzzed") / "copy")


def test_broken_configurations_get_a_message(copy: Copy) -> None:
    start = copy.configuration()

    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(broken(start))
    def check(case: Fuzzed) -> None:
        (copy.path / "config.yaml").write_text(case.text, encoding="utf-8")
        ended = snakemake_in_a_fork(copy.path, "--dry-run", "--quiet", "all")
        assert ended.status in (0, 1), ended.text
        assert ended.status == 0 or (plain(ended.text) and ended.text.strip()), ended.text

    check()


def test_what_is_not_plain_is_seen(copy: Copy) -> None:
    """A Snakefile that fails on its own is no message to a user."""
    (copy.path / "config.yaml").write_text("scale: smoke\n")
    assert plain(snakemake_in_a_fork(copy.path, "--dry-run").text)
    copy.append("workflow/rules/common.smk", "\nraise TypeError('ours')\n")
    ended = snakemake_in_a_fork(copy.path, "--dry-run")
    assert ended.status == 1
    assert not plain(ended.text)
