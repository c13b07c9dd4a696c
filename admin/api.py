"""Health and metrics for machines."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.actions.context import Context
from bot.store import conversations, delivery, tickets


class _Records(Collector):
    """Figures that equal the records behind them, counted when asked."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def collect(self) -> list[GaugeMetricFamily]:
        """Receipts, outbox and tickets by state or kind, and entries."""
        with self._ctx.read() as session:
            families = [
                _family("nqi_receipts", "remembered pushes", "state", conversations.count_receipts(session)),
                _family(
                    "nqi_outbox_messages", "messages to be sent", "state", delivery.count_outbox(session)
                ),
                _family("nqi_tickets", "registered tickets", "kind", tickets.count_tickets(session)),
            ]
        families.append(
            GaugeMetricFamily("nqi_entries", "entries that are live", value=len(self._ctx.brain.entries))
        )
        return families


def _family(name: str, text: str, label: str, counts: dict[str, int]) -> GaugeMetricFamily:
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
