"""Counts and latencies in Prometheus' text format, version 0.0.4.

Labels come from fixed sets (routes, known methods), so that no client can make the number of series grow.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import os
import resource
import threading
import time

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)  # seconds
PAGE_SIZE = resource.getpagesize()


class Metrics:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str, int], int] = {}
        self._latencies: dict[
            str, list[float]
        ] = {}  # per path: a count for each bucket, then sum, then count
        self._started = time.time()

    def record(self, method: str, path: str, code: int, seconds: float) -> None:
        with self._lock:
            key = (method, path, code)
            self._requests[key] = self._requests.get(key, 0) + 1
            latency = self._latencies.setdefault(path, [0.0] * (len(BUCKETS) + 2))
            for index, bound in enumerate(BUCKETS):
                if seconds <= bound:
                    latency[index] += 1
            latency[-2] += seconds
            latency[-1] += 1

    def text(self, info: dict[str, str]) -> str:
        with self._lock:
            requests = sorted(self._requests.items())
            latencies = sorted((path, list(values)) for path, values in self._latencies.items())
        usage = resource.getrusage(resource.RUSAGE_SELF)
        lines: list[str] = []
        _head(lines, "agent_info", "gauge", "What this agent is; always 1.")
        lines.append(f"agent_info{{{_labels(info)}}} 1")
        _head(lines, "http_requests_total", "counter", "Requests answered.")
        for (method, path, code), count in requests:
            labels = _labels({"code": str(code), "method": method, "path": path})
            lines.append(f"http_requests_total{{{labels}}} {count}")
        _head(lines, "http_request_duration_seconds", "histogram", "Time from a whole request to its answer.")
        for path, values in latencies:
            _histogram(lines, path, values)
        _gauge(lines, "agent_uptime_seconds", "Since the process started.", time.time() - self._started)
        _gauge(lines, "process_start_time_seconds", "Unix time.", self._started)
        _gauge(lines, "process_resident_memory_bytes", "Resident memory.", resident_bytes())
        _head(lines, "process_cpu_seconds_total", "counter", "User and system time.")
        lines.append(f"process_cpu_seconds_total {usage.ru_utime + usage.ru_stime:.6f}")
        return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(descriptor, 256).split()[1]) * PAGE_SIZE
    finally:
        os.close(descriptor)


def _head(lines: list[str], name: str, kind: str, text: str) -> None:
    lines.append(f"# HELP {name} {text}")
    lines.append(f"# TYPE {name} {kind}")


def _gauge(lines: list[str], name: str, text: str, value: float) -> None:
    _head(lines, name, "gauge", text)
    lines.append(f"{name} {value:.3f}")


def _histogram(lines: list[str], path: str, values: list[float]) -> None:
    name = "http_request_duration_seconds"
    label = _labels({"path": path})
    for bound, count in zip(BUCKETS, values, strict=False):
        lines.append(f'{name}_bucket{{{label},le="{bound:g}"}} {count:.0f}')
    lines.append(f'{name}_bucket{{{label},le="+Inf"}} {values[-1]:.0f}')
    lines.append(f"{name}_sum{{{label}}} {values[-2]:.6f}")
    lines.append(f"{name}_count{{{label}}} {values[-1]:.0f}")


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in sorted(labels.items()))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
