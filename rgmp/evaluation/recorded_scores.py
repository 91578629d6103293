"""A score table together with what the record of its job says of it."""

from collections.abc import Iterable
from pathlib import Path

from rgmp.evaluation import score_table
from rgmp.evaluation.measures import MEASURES, Score
from rgmp.evaluation.summary import per_object, summarise
from rgmp.provenance.record import Draft
from rgmp.runtime.files import digest_of_file


def write_measured(out: Path | None, rows: Iterable[Score], record: Draft) -> dict[str, float]:
    """Write a score table, and what follows from it to the record: its digest, the mean measures.

    Args:
        out: the CSV file; None: none is written.
        rows: the scores of one method with one seed on one benchmark.
        record: of the job that scored.

    Returns:
        The mean measures, in [0, 1], by name.
    """
    scores = score_table.table_of(rows)
    means = summarise(per_object(scores)).iloc[0]
    summary: dict[str, float] = {measure: float(means[measure]) for measure in MEASURES}
    record.results.update(summary)
    if out:
        score_table.write_scores(out, scores)
        record.outputs["scores"] = digest_of_file(out)
    return summary
