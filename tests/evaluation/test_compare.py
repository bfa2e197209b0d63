"""The table of a comparison."""

from collections import defaultdict

from acdm.evaluation.compare import table


def test_a_figure_has_its_interval_in_brackets_and_none_where_there_is_none():
    known = {"method": "acdm", "map": "object", "auprc": 0.516}
    rows = [defaultdict(lambda: None, known), defaultdict(lambda: None, known | {"auprc_low": 0.4, "auprc_high": 0.6})]
    alone, bracketed = (line.split("|")[3].strip() for line in table(rows).splitlines()[2:])
    assert (alone, bracketed) == ("0.516", "0.516 (0.40–0.60)")
