"""The routes of an agent. Each takes a request and returns an answer; none keeps anything for the next."""

import json
import os
import time
from functools import partial

from runtime import client, metrics
from runtime.capabilities import InputError, perform
from runtime.faults import Faults
from runtime.http1 import Answer, Json, Request, error_answer, json_answer
from runtime.settings import Endpoint, Settings

ROUTES = {
    "/health": ("GET",),
    "/ready": ("GET",),
    "/info": ("GET",),
    "/metrics": ("GET",),
    "/invoke": ("POST",),
    "/peers/{name}": ("GET", "POST"),
}
SPARED_BY_FAULTS = ("/health", "/ready")
READY_DEADLINE = 2.0  # seconds


class Service:
    def __init__(self, settings: Settings, faults: Faults) -> None:
        self._settings = settings
        self._faults = faults
        self._metrics = metrics.Metrics()
        self._started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._peers = {peer.name: peer for peer in settings.peers}

    def answer(self, request: Request) -> Answer:
        began = time.monotonic()
        route = "/peers/{name}" if request.path.startswith("/peers/") else request.path
        methods = ROUTES.get(route, ())
        method = "GET" if request.method == "HEAD" else request.method
        if not methods:
            route = "other"
            answer = error_answer(404, f"no {request.path} here; there are {', '.join(ROUTES)}")
        elif method not in methods:
            method = "other"
            answer = error_answer(405, f"{route} takes {' or '.join(methods)}", allow=", ".join(methods))
        else:
            answer = self._answer_route(route, method, request)
        if method not in ("GET", "POST"):
            method = "other"
        self._metrics.record(method, route, answer.code, time.monotonic() - began)
        return answer

    def _answer_route(self, route: str, method: str, request: Request) -> Answer:
        if route not in SPARED_BY_FAULTS:
            self._faults.delay_answer()
            if self._faults.fails_answer():
                return error_answer(500, "FAULT_ERROR_RATE says that this request fails")
        match route:
            case "/health":
                return self._health()
            case "/ready":
                return self._ready()
            case "/info":
                return json_answer(200, self._info())
            case "/metrics":
                return self._metrics_text()
            case "/invoke":
                return self._invoke(request.body)
            case _:
                return self._peer(method, request)

    def _health(self) -> Answer:
        if self._faults.unhealthy:
            return json_answer(503, {"status": "unhealthy", "reason": "FAULT_HEALTH=fail"})
        return json_answer(200, {"status": "healthy", "name": self._settings.name})

    def _ready(self) -> Answer:
        checks = {service.name: partial(client.connect, service) for service in self._settings.services}
        checks |= {peer.name: partial(_check_peer, peer) for peer in self._settings.peers}
        problems = client.check_all(checks, READY_DEADLINE)
        if self._faults.unhealthy:
            problems["self"] = "FAULT_HEALTH=fail"
        ready = not any(problems.values())
        dependencies: Json = {
            name: {"ready": not problem, "reason": problem} if problem else {"ready": True}
            for name, problem in problems.items()
        }
        return json_answer(200 if ready else 503, {"ready": ready, "dependencies": dependencies})

    def _info(self) -> dict[str, Json]:
        settings = self._settings
        return {
            "name": settings.name,
            "category": settings.category,
            "tier": settings.tier,
            "model": settings.model,
            "version": settings.version,
            "capabilities": list(settings.capabilities),
            "dependencies": {
                "services": {each.name: f"{each.host}:{each.port}" for each in settings.services},
                "agents": {each.name: f"{each.host}:{each.port}" for each in settings.peers},
            },
            "pid": os.getpid(),
            "started": self._started,
        }

    def _metrics_text(self) -> Answer:
        settings = self._settings
        labels = {
            "name": settings.name,
            "category": settings.category,
            "tier": settings.tier,
            "version": settings.version,
        }
        return Answer(200, self._metrics.text(labels).encode(), metrics.CONTENT_TYPE)

    def _invoke(self, body: bytes) -> Answer:
        try:
            capability, value = _read_invocation(body)
            if capability not in self._settings.capabilities:
                declared = ", ".join(self._settings.capabilities) or "none"
                return error_answer(
                    404, f"{self._settings.name} does not declare {capability!r}; it has {declared}"
                )
            output = perform(capability, value)
        except InputError as error:
            return error_answer(400, str(error))
        return json_answer(200, {"agent": self._settings.name, "capability": capability, "output": output})

    def _peer(self, method: str, request: Request) -> Answer:
        name = request.path.removeprefix("/peers/")
        peer = self._peers.get(name)
        if peer is None:
            known = ", ".join(self._peers) or "none"
            return error_answer(404, f"{self._settings.name} has no peer {name!r}; its peers: {known}")
        try:
            if method == "GET":
                code, body = client.call(peer, "GET", "/info")
            else:
                code, body = client.call(peer, "POST", "/invoke", request.body)
            value = _decode(body)
        except client.CallError as error:
            return json_answer(502, {"error": f"{name} did not answer", "cause": str(error)})
        except InputError as error:
            return json_answer(502, {"error": f"{name} did not answer in JSON", "cause": str(error)})
        if code >= 500:
            return json_answer(502, {"error": f"{name} answered {code}", "cause": value})
        return json_answer(code, value)


def _check_peer(peer: Endpoint) -> None:
    code, _ = client.call(peer, "GET", "/health", timeout=client.CHECK_TIMEOUT)
    if code != 200:
        raise client.CallError(f"{peer.host}:{peer.port}: /health answered {code}")


def _decode(body: bytes) -> Json:
    try:
        value: Json = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError too
        raise InputError(f"the body is not JSON: {error}") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _read_invocation(body: bytes) -> tuple[str, Json]:
    value = _decode(body)
    if not isinstance(value, dict) or not isinstance(capability := value.get("capability"), str):
        raise InputError('the body must be {"capability": NAME, "input": VALUE}')
    unknown = sorted(set(value) - {"capability", "input"})
    if unknown:
        raise InputError(f"unknown keys: {', '.join(unknown)}; there are capability and input")
    return capability, value.get("input")
