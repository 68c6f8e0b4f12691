"""A real control plane on loopback: etcd, kube-apiserver with RBAC, kube-controller-manager."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import urllib3
import yaml

from tests.real.api import Api, ApiError, Json
from tests.real.child import Child, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
_BUILD = CHECKOUT.parent / "shared" / "control-plane" / "build"
_AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}


def find_programs() -> Path:
    """Return the folder of the control plane's programs; without one skip, or fail on a CI machine."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if folder:
        missing = [name for name in PROGRAMS if not os.access(Path(folder, name), os.X_OK)]
        if missing:
            pytest.fail(f"KUBEBUILDER_ASSETS={folder} lacks {', '.join(missing)}", pytrace=False)
        return Path(folder)
    if os.access(_BUILD, os.X_OK):
        built = subprocess.run([_BUILD], check=True, stdout=subprocess.PIPE, text=True, timeout=1800)
        return Path(built.stdout.strip())
    reason = f"no control plane: set KUBEBUILDER_ASSETS to a folder with {', '.join(PROGRAMS)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Request(NamedTuple):
    """One request as the API server's audit log tells it."""

    user: str
    verb: str
    group: str
    resource: str
    """With its subresource: `deployments/scale`."""
    namespace: str
    name: str
    status: int
    allowed: bool


class ControlPlane:
    """One running control plane; `api` speaks as its administrator."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._token = secrets.token_hex(16)
        self._port = free_port()
        self._children: list[Child] = []
        self.url = f"https://127.0.0.1:{self._port}"
        self.ca_file = folder / "certificates" / "apiserver.crt"

    def start(self) -> None:
        """Start the three programs, and return when the API server is ready."""
        etcd_url = self._start_etcd()
        self._start_api_server(etcd_url)
        self.api = Api(self.url, self._token, self.ca_file)
        self._start_controllers()

    def stop(self) -> None:
        """Stop all, and keep the logs."""
        for child in reversed(self._children):
            child.stop()
        if hasattr(self, "api"):
            self.api.close()
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    def _child(self, name: str, *flags: str) -> Child:
        child = Child(name, [self._programs / name, *flags], self.folder)
        self._children.append(child)
        return child

    def _start_etcd(self) -> str:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        peer = f"http://127.0.0.1:{free_port()}"
        etcd = self._child(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )
        etcd.wait_ready(lambda: _answers(f"{url}/health", b"true"), port)
        return url

    def _start_api_server(self, etcd_url: str) -> None:
        key = self.folder / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f'{self._token},administrator,administrator,"system:masters"\n')
        policy = self.folder / "audit-policy.yaml"
        policy.write_text(yaml.safe_dump(_AUDIT_POLICY))
        server = self._child(
            "kube-apiserver",
            f"--etcd-servers={etcd_url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder / 'certificates'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={tokens}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self._audit_log}",
        )
        server.wait_ready(self._api_is_ready, self._port)

    def _api_is_ready(self) -> bool:
        if not self.ca_file.exists():
            return False
        api = Api(self.url, self._token, self.ca_file)
        try:
            return api.get("/readyz") == {"text": "ok"}
        except (urllib3.exceptions.HTTPError, ApiError):
            return False
        finally:
            api.close()

    def _start_controllers(self) -> None:
        kubeconfig = self.kubeconfig("controllers", self._token)
        self._child(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            "--controllers=deployment,replicaset",
            "--leader-elect=false",
            "--port=0",
            "--secure-port=0",
        )

    def kubeconfig(self, name: str, token: str, namespace: str = "default") -> Path:
        """Write a kubeconfig with this token, and return its path."""
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        context = {"cluster": "test", "user": name, "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content))
        return path

    def administrator(self) -> Path:
        """Return the administrator's kubeconfig."""
        return self.kubeconfig("administrator", self._token)

    def account_token(self, namespace: str, account: str) -> str:
        """Return a token of the ServiceAccount, by TokenRequest."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        return str(self.api.create(path, request)["status"]["token"])

    def create_namespace(self, name: str) -> str:
        """Create a namespace, and return its name."""
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    @property
    def _audit_log(self) -> Path:
        return self.folder / "audit.log"

    def requests_of(self, user: str) -> Iterator[Request]:
        """Yield the completed requests of one user, as the API server recorded them."""
        for line in self._audit_log.read_text().splitlines():
            entry = json.loads(line)
            if entry["stage"] == "ResponseComplete" and entry["user"].get("username") == user:
                yield _request(entry)


def _request(entry: Json) -> Request:
    thing = entry.get("objectRef") or {}
    resource = "/".join(part for part in (thing.get("resource", ""), thing.get("subresource", "")) if part)
    return Request(
        entry["user"]["username"],
        entry["verb"],
        thing.get("apiGroup", ""),
        resource or entry["requestURI"],
        thing.get("namespace", ""),
        thing.get("name", ""),
        int((entry.get("responseStatus") or {}).get("code", 0)),
        entry.get("annotations", {}).get("authorization.k8s.io/decision") == "allow",
    )


def _answers(url: str, expected: bytes) -> bool:
    try:
        return expected in urllib3.request("GET", url, timeout=1, retries=False).data
    except urllib3.exceptions.HTTPError:
        return False
