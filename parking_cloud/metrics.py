"""The worker's Prometheus figures: what was projected, how long it took, and how fresh it is when visible."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from parking_cloud.occupancy.projector import Projected

PROJECTING = Histogram("parking_project_seconds", "Time to write one batch, committed")
OBSERVATIONS = Counter("parking_observations", "Observations by what became of them", ["outcome"])
JOBS = Histogram("parking_job_seconds", "Time of the worker's regular jobs", ["job"])
BACKLOG = Gauge("parking_stream_entries", "Entries that wait in an observation stream", ["stream"])
VISIBLE = Histogram(
    "parking_visible_seconds",
    "From observed_at to visible in the API",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)


def note(done: Projected, now: datetime) -> None:
    """Count a batch that has been committed at `now`."""
    OBSERVATIONS.labels("recorded").inc(done.recorded)
    OBSERVATIONS.labels("repeated").inc(done.repeated)
    OBSERVATIONS.labels("set aside").inc(len(done.orphans))
    for o in done.fresh:
        VISIBLE.observe((now - o.observed_at).total_seconds())
