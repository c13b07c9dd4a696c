"""Health and metrics for machines."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.actions.context import Context
from bot.actions.outbox import work_counts
from bot.store import conversations, delivery, tickets

_WORK = {
    "nqi_timers": "timers whose moment has passed and that have not fired",
    "nqi_tasks": "tasks of staff",
    "nqi_surveys": "surveys that are asked or will be",
    "nqi_attachments": "files of contacts, providers and staff",
}


class _Records(Collector):
    """Figures that equal the records behind them, counted when asked."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def collect(self) -> list[GaugeMetricFamily]:
        """Receipts, outbox, tickets, files and work by state, channel or kind; how late the outbox is; entries."""
        now = self._ctx.clock.now()
        with self._ctx.read() as session:
            families = [
                _family("nqi_receipts", "remembered pushes", "state", conversations.count_receipts(session)),
                _outbox(delivery.outbox_counts(session)),
                GaugeMetricFamily(
                    "nqi_outbox_oldest_due_seconds",
                    "since the moment at which the longest waiting message was due",
                    value=delivery.longest_delay(session, now=now),
                ),
                _family("nqi_tickets", "registered tickets", "kind", tickets.count_tickets(session)),
                *(
                    _family(name, _WORK[name], "state", counts)
                    for name, counts in work_counts(session, now).items()
                ),
            ]
        families.append(
            GaugeMetricFamily("nqi_entries", "entries that are live", value=len(self._ctx.brain.entries))
        )
        return families


def _outbox(counts: list[tuple[str, str, int]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "nqi_outbox_messages", "messages that leave or left", labels=["state", "channel"]
    )
    for state, channel, count in counts:
        family.add_metric([state, channel], count)
    return family


def _family(name: str, text: str, label: str, counts: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, count in sorted(counts.items()):
        family.add_metric([key], count)
    return family


def health_routes(ctx: Context, registry: CollectorRegistry) -> list[Route]:
    """/healthz: the process lives; /readyz: it can answer; /metrics."""
    registry.register(_Records(ctx))

    def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    def readyz(_request: Request) -> Response:
        is_ready = ctx.database.is_reachable() and bool(ctx.brain.entries)
        return JSONResponse(
            {"ready": is_ready, "entries": len(ctx.brain.entries)}, status_code=200 if is_ready else 503
        )

    def metrics(_request: Request) -> Response:
        return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4")

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
