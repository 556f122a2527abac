"""Controllers of upstream's that are no part of `make cluster-up`: tests start them, and take them away again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from cluster import containerd, kubectl
from cluster.control_images import reference
from cluster.places import PROGRAMS, SOURCES, STATE
from cluster.static_images import archive
from cluster.upstream import manifests, module_folder, of_kinds
from laptop import go_tools

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Addon:
    """One program of a Go module, in a namespace of its own, by the manifests that the module brings."""

    name: str
    """Of the program that is built and of its image."""
    source: str
    """The folder of `tools` that pins the module."""
    module: str
    package: str
    """The command; upstream's manifests name it where the image belongs."""
    namespace: str

    def start(self, change: Callable[[Object], Object] = lambda item: item) -> None:
        """Build the program, give containerd its image, and apply the manifests; it is not waited for.

        Args:
            change: what an object of upstream's is to be here.

        Raises:
            BadInputError: there is no Go.
            ToolFailedError: the build failed, or the cluster does not take an object.
        """
        program = PROGRAMS / self.name
        if not go_tools.is_built(SOURCES / self.source, self.package, program):
            go_tools.build(SOURCES / self.source, self.package, program)
        path = f"/ko-app/{self.package.rpartition('/')[2]}"
        image = archive(
            STATE / "images" / f"{self.name}.tar",
            reference=reference(self.name),
            files={path: program},
            entrypoint=[path],
        )
        containerd.import_image(image, reference(self.name))
        image.unlink()
        first, rest = of_kinds(map(change, self._objects()), "Namespace", "CustomResourceDefinition")
        kubectl.apply(*first, server_side=True)
        kubectl.apply(*rest, server_side=True)

    def wait(self) -> None:
        """Raises ToolFailedError if it does not run within two minutes."""
        kubectl.wait_for_deployments(self.namespace, seconds=120)

    def stop(self) -> None:
        """End it and remove all that :meth:`start` applied; nothing happens where nothing is left.

        Raises:
            ToolFailedError: something of it is still there after a minute.
        """
        # Who calls a webhook goes before it, or nothing in its reach could be changed meanwhile. So do definitions: it
        # converts their objects from version to version, and lets go of them.
        callers, rest = of_kinds(self._objects(), "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
        definitions, rest = of_kinds(rest, "CustomResourceDefinition")
        delete = ["delete", "--ignore-not-found", "--wait=true", "--timeout=60s", "-f", "-"]
        for objects in filter(None, (callers, definitions, rest)):
            kubectl.kubectl(*delete, stdin=yaml.safe_dump_all(objects), timeout=70)

    def _objects(self) -> list[Object]:
        folder = module_folder(self.source, self.module) / "config"
        found = manifests(folder, "*.yaml", {f"ko://{self.package}": reference(self.name)})
        # A kustomization is a list of the other files, and no object of the cluster.
        return [item for item in found if item["kind"] != "Kustomization"]
