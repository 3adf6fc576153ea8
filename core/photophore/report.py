"""The results of runs on one page of HTML that needs nothing else, and as a table of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from photophore.errors import UsageError
from photophore.figures import EC_CLASSES, FAILURES_SHOWN, LEAST_EXPONENT, RunFigures, gather
from photophore.runfacts import photophore_version
from photophore.writers.atomic import whole_files
from photophore.writers.tsv import one_cell

TEMPLATE = Path(__file__).parent / "data" / "report" / "report.html"

#: Columns of the table of samples.
SAMPLE_COLUMNS = (
    "sample",
    "database",
    "method",
    "proteins",
    "annotated",
    "unannotated",
    "failed",
    "annotations",
    "targets",
    "with_ec",
)

_BARS = 24


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: what it stands for, how many, and how high, as a share of the highest."""

    label: str
    count: int
    height: float


def write_report(
    folders: Sequence[Path], page: Path, *, table: Path | None = None, title: str = "Photophore report", top: int = 20
) -> list[RunFigures]:
    """Write the page, and the table of samples where one is asked for; return what they were made of.

    Raises
    ------
    InputError
        A folder holds no finished run.
    OutputError
        A file cannot be written.
    """
    if not folders:
        raise UsageError("nothing to report: name at least one folder that 'photophore annotate -o' has completed")
    runs = [gather(folder) for folder in folders]
    with whole_files([path for path in (page, table) if path is not None]) as files:
        files[0].write_text(render_page(runs, title=title, top=top))
        for file in files[1:]:
            file.write_text(render_table(runs))
    return runs


def render_table(runs: Sequence[RunFigures]) -> str:
    """Return the table of samples as TSV."""
    rows = [SAMPLE_COLUMNS, *(tuple(str(value) for value in sample_row(run).values()) for run in runs)]
    return "".join("\t".join(map(one_cell, row)) + "\n" for row in rows)


def sample_row(run: RunFigures) -> dict[str, Any]:
    """Return what the table of samples says of a run; cells that nobody knows are empty."""
    row = {"sample": run.sample, "database": run.database, "method": run.method, **run.counts}
    row |= {"targets": len(run.targets), "with_ec": run.with_ec} if run.has_rows else {"targets": "", "with_ec": ""}
    return {name: row[name] for name in SAMPLE_COLUMNS}


def render_page(runs: Sequence[RunFigures], *, title: str, top: int) -> str:
    """Return the page; everything that comes from files is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["count"] = "{:,}".format
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    databases: dict[str, list[RunFigures]] = {}
    for run in runs:
        databases.setdefault(run.database, []).append(run)
    return template.render(
        title=title,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=photophore_version(),
        runs=runs,
        rows=[sample_row(run) for run in runs],
        totals=_totals(runs),
        databases=[_database_facts(name, members, top) for name, members in databases.items()],
        stages=_most(_added(run.stages for run in runs), top),
        failures=[(run.sample, row) for run in runs for row in run.failures][:FAILURES_SHOWN],
        warnings=list(dict.fromkeys((run.sample, text) for run in runs for text in run.facts["warnings"])),
    )


def _totals(runs: Sequence[RunFigures]) -> Counter[str]:
    total: Counter[str] = Counter()
    for run in runs:
        total.update(run.counts)
    return total


def _database_facts(name: str, runs: Sequence[RunFigures], top: int) -> dict[str, Any]:
    """Return what the page shows of all runs with one database."""
    targets, ecs, bits, exponents, confidences = (
        _added(getattr(run, field) for run in runs) for field in ("targets", "ecs", "bits", "exponents", "confidences")
    )
    names = {target: known for run in reversed(runs) for target, known in run.names.items()}
    classes = Counter(dict.fromkeys(EC_CLASSES, 0))
    for ec, count in ecs.items():
        classes[ec.partition(".")[0]] += count
    return {
        "name": name,
        "method": runs[0].method,
        "facts": runs[0].facts,
        "manifest": (runs[0].facts["database"] or {}).get("manifest", {}),
        "has_rows": any(run.has_rows for run in runs),
        "annotated": sum(run.counts["annotated"] for run in runs),
        "targets": [(target, *names[target], count) for target, count in _most(targets, top)],
        "different_targets": len(targets),
        "ecs": _most(ecs, top),
        "different_ecs": len(ecs),
        "with_ec": sum(run.with_ec for run in runs),
        "unassigned": sum(run.unassigned for run in runs),
        "classes": [(number, EC_CLASSES[number], classes[number]) for number in EC_CLASSES],
        "histograms": [
            ("Score, bits", _histogram(bits)),
            ("E-value, power of ten", _histogram(exponents, least=LEAST_EXPONENT)),
            ("Confidence", _confidence_bars(confidences)),
        ],
    }


def _added(counters: Any) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _most(counter: Counter[str], top: int) -> list[tuple[str, int]]:
    """Return the most frequent, ties by name, so that the page does not depend on the order of the runs."""
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:top]


def _histogram(values: Mapping[int, int], *, least: int | None = None) -> list[Bar]:
    """Cut whole numbers into at most `_BARS` bars of the same width; at ``least`` stand all smaller ones too."""
    if not values:
        return []
    low, high = min(values), max(values)
    width = -(-(high - low + 1) // _BARS)
    bars = [0] * (-(-(high - low + 1) // width))
    for value, count in values.items():
        bars[(value - low) // width] += count
    labels = []
    for number in range(len(bars)):
        first, last = low + number * width, low + (number + 1) * width - 1
        text = f"{first}" if width == 1 else f"{first} to {last}"
        labels.append(f"{last} and less" if first == least else text)
    return _as_bars(labels, bars)


def _confidence_bars(confidences: Mapping[int, int]) -> list[Bar]:
    if not confidences:
        return []
    return _as_bars(
        [f"{step / 20:.2f} to {(step + 1) / 20:.2f}" for step in range(20)],
        [confidences.get(step, 0) for step in range(20)],
    )


def _as_bars(labels: Sequence[str], counts: Sequence[int]) -> list[Bar]:
    highest = max(counts)
    return [Bar(label, count, count / highest) for label, count in zip(labels, counts, strict=True)]
