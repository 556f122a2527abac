"""The part of the Kubernetes API that stands inside Tekton's objects, as frozen dataclasses."""

# ruff: noqa: RUF009 - var, unsupported and ignored make dataclass fields

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tkn_solo.fields import ignored, unsupported, var


@dataclass(frozen=True, kw_only=True)
class ObjectMeta:
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    uid: Any = None
    resource_version: Any = None
    generation: Any = None
    creation_timestamp: Any = None
    managed_fields: Any = None
    owner_references: Any = None
    finalizers: Any = None


@dataclass(frozen=True, kw_only=True)
class KeyToPath:
    key: str = var()
    path: str = var()
    mode: int | None = None


@dataclass(frozen=True, kw_only=True)
class SecretSource:
    secret_name: str = var()
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False
    default_mode: int | None = None


@dataclass(frozen=True, kw_only=True)
class ConfigMapSource:
    name: str = var()
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False
    default_mode: int | None = None


@dataclass(frozen=True, kw_only=True)
class ClaimSource:
    claim_name: str = var()
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class KeySelector:
    name: str = var()
    key: str = var()
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class FieldSelector:
    field_path: str
    api_version: str = ""


@dataclass(frozen=True, kw_only=True)
class EnvVarSource:
    secret_key_ref: KeySelector | None = None
    config_map_key_ref: KeySelector | None = None
    field_ref: FieldSelector | None = None
    resource_field_ref: Any = unsupported("no resource limits on one machine")


@dataclass(frozen=True, kw_only=True)
class EnvVar:
    name: str
    value: str = var()
    value_from: EnvVarSource | None = None


@dataclass(frozen=True, kw_only=True)
class ObjectReference:
    name: str = var()
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class EnvFrom:
    prefix: str = var()
    config_map_ref: ObjectReference | None = None
    secret_ref: ObjectReference | None = None


@dataclass(frozen=True, kw_only=True)
class VolumeMount:
    name: str = var()
    mount_path: str = var()
    sub_path: str = var()
    read_only: bool = False
    mount_propagation: Any = unsupported("mounts are private to a step")
    sub_path_expr: Any = unsupported("use subPath")


@dataclass(frozen=True, kw_only=True)
class Volume:
    name: str = var()
    empty_dir: Any = None
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    persistent_volume_claim: ClaimSource | None = None
    host_path: Any = unsupported("a step sees no files of this machine; pass the folder with --claim")
    projected: Any = unsupported("mount one secret or configMap at a time")
    csi: Any = unsupported("no CSI drivers on one machine")


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SecurityContext:
    run_as_user: int | None = None
    capabilities: Capabilities | None = None
    read_only_root_filesystem: bool | None = None
    run_as_group: int | None = ignored()
    run_as_non_root: bool | None = None
    # Every step runs with no_new_privs, which is what `false` asks for; `true` has no effect.
    allow_privilege_escalation: bool | None = None
    seccomp_profile: Any = ignored()
    se_linux_options: Any = ignored()
    app_armor_profile: Any = ignored()
    proc_mount: Any = ignored()
    privileged: bool = unsupported("a step never gets the whole machine", default=False)


@dataclass(frozen=True, kw_only=True)
class HttpGet:
    port: Any
    path: str = "/"
    host: str = ""
    scheme: str = "HTTP"
    http_headers: Any = unsupported("probe without headers")


@dataclass(frozen=True, kw_only=True)
class TcpSocket:
    port: Any
    host: str = ""


@dataclass(frozen=True, kw_only=True)
class ExecAction:
    command: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A readiness probe; times are in seconds."""

    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    exec: ExecAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grpc: Any = unsupported("use httpGet, tcpSocket or exec")
