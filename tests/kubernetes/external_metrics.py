"""An external metric whose value a test sets: what KEDA or prometheus-adapter is in a cluster."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

GROUP = "external.metrics.k8s.io"
API = f"/apis/{GROUP}/v1beta1"


class ExternalMetrics:
    """A TLS server on loopback for one metric; `asked` counts the requests of the autoscaler."""

    def __init__(self, folder: Path, metric: str) -> None:
        self.metric, self.value, self.asked = metric, 0, 0
        names = ("-newkey", "rsa:2048", "-keyout", "metrics.key", "-out", "metrics.crt", "-subj", "/CN=localhost")
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "2", *names], cwd=folder, check=True, capture_output=True
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "metrics.crt", folder / "metrics.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def objects(self) -> list[dict[str, Any]]:
        """Return what tells the API server where the metric is."""
        name, namespace = "external-metrics", "kube-system"
        service = {"name": name, "namespace": namespace, "port": self._server.server_port}
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"type": "ExternalName", "externalName": "localhost"},
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": f"v1beta1.{GROUP}"},
                "spec": {
                    "group": GROUP,
                    "version": "v1beta1",
                    "insecureSkipTLSVerify": True,
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                    "service": service,
                },
            },
        ]

    def _answer(self, path: str) -> dict[str, Any] | None:
        path = path.partition("?")[0].rstrip("/")
        if path == API:
            verbs = {"name": self.metric, "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{GROUP}/v1beta1",
                "resources": [verbs],
            }
        if path.startswith(f"{API}/namespaces/") and path.endswith(f"/{self.metric}"):
            self.asked += 1
            value = {
                "metricName": self.metric,
                "timestamp": "2026-01-01T00:00:00Z",
                "value": str(self.value),
                "metricLabels": {},
            }
            return {
                "kind": "ExternalMetricValueList",
                "apiVersion": f"{GROUP}/v1beta1",
                "metadata": {},
                "items": [value],
            }
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = metrics._answer(self.path)
                body = json.dumps(found or {}).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                return

        return Handler
