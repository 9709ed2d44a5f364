"""What a server counts of itself, for Prometheus."""

import time
from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepemo.serving.reasons import UNKNOWN
from deepemo.serving.results import Recognition

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
WINDOWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Observations:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._answers = Counter(
            "deepemo_recognitions_total", "Answers given", ("answer", "reason"), registry=self.registry
        )
        self._requests = Counter(
            "deepemo_requests_total", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "deepemo_request_seconds",
            "From a request's headers to its answer's end",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._work_seconds = Histogram(
            "deepemo_recognition_seconds",
            "Work on one recording, waiting left out",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._audio_seconds = Counter("deepemo_audio_seconds_total", "Sound listened to", registry=self.registry)
        self._batch_windows = Histogram(
            "deepemo_batch_windows", "Windows the model heard at once", buckets=WINDOWS, registry=self.registry
        )
        self.in_flight = Gauge("deepemo_in_flight", "Recordings received or worked on", registry=self.registry)
        self.held_bytes = Gauge("deepemo_held_bytes", "Bytes of uploads in memory", registry=self.registry)
        self.turned_away = Counter("deepemo_turned_away_total", "Requests answered 503", registry=self.registry)

    def batch(self, windows: int) -> None:
        """Count a batch."""
        self._batch_windows.observe(windows)

    def answered(self, recognition: Recognition, seconds: float) -> None:
        """Count an answer and the seconds of work in it."""
        self._answers.labels(recognition.answer, recognition.reason or "").inc()
        self._work_seconds.observe(seconds)
        if recognition.heard is not None:
            self._audio_seconds.inc(recognition.heard.seconds)

    def unreadable(self, reason: str) -> None:
        """Count a recording that could not be read."""
        self._answers.labels(UNKNOWN, reason).inc()

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)


class CountRequests:
    """Middleware that counts every request by the route that answered it, never by the address that was asked for."""

    METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

    def __init__(self, app: ASGIApp, observations: Observations) -> None:
        self._app = app
        self._observations = observations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0  # if the client went away before an answer began

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            method = scope["method"] if scope["method"] in self.METHODS else "other"
            self._observations.request(method, _route(scope), status, time.perf_counter() - began)


def _route(scope: MutableMapping[str, Any]) -> str:
    return getattr(scope.get("route"), "path", None) or "none"
