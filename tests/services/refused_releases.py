"""Images in a registry, most of which must not be deployed, and the run that has verify-image look at each of them.

Everything is real: registry, cosign, keys. The step is the one of the Task update-manifest, and runs on either engine.
"""

from __future__ import annotations

import copy
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from engines.observation import observed
from engines.scenario import Finished, Scenario
from hallmark.attestations import TYPES
from hallmark.documents.policy import policy_digest
from hallmark.registry_auth import PLAIN_HTTP
from hallmark.verdict import PREDICATE_TYPE
from laptop.keys import ensure
from laptop.registry import Registry
from laptop.setup import ROOT, TOOLS
from services.webhook_images import tag_of
from unit.hallmark.supply_chain.supply_chain_images import (
    POLICY_WITH_KEY,
    Registries,
    days_ago,
    digest,
    verdict_content,
)

NOBODY = "127.0.0.1:1"
"""Where no registry answers, for a pod as for this machine."""
BUNDLE = "NO  signature: (a sigstore bundle lies beside|no signatures found)"
"""By cosign 2.6, which looks at the bundle first, and by cosign 3, which is told not to."""
WRONG_KEY = "NO  signature: no matching signatures: invalid signature"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An image as verify-image is told it, and how that has to end."""

    image: str
    exit_code: int
    said: str
    """In what the step prints, as a regular expression."""
    policy: str = "policy"


class Releases:
    """Makes the images in `registry`, which the steps know as `host`."""

    def __init__(self, registry: Registry, host: str, folder: Path) -> None:
        cosign = TOOLS / "bin" / "cosign"
        keys = [ensure(folder / "keys" / name, cosign) for name in ("own", "stranger")]
        (folder / "images").mkdir()
        self.images = Registries(
            candidates=registry,
            releases=registry,
            key=keys[0],
            other_key=keys[1],
            folder=folder / "images",
            name=f"refused-{secrets.token_hex(4)}",
        )
        self.place = f"{host}/{self.images.release.partition('/')[2]}"
        self.credential = folder / "credential"
        shutil.copytree(registry.credential, self.credential)
        (self.credential / PLAIN_HTTP).write_text(f"{host}\n")
        self.policies = {"policy": folder / "policy", "rotated": folder / "rotated"}
        # What is signed here names the registry as this machine calls it.
        self._write_policy("policy", f"relocatedFrom: ['{self.images.release}']", keys[0].public)
        self.pinned = policy_digest(self.policies["policy"])
        trusting = f"relocatedFrom: ['{self.images.release}'], trustedPolicies: ['{self.pinned}']"
        self._write_policy("rotated", trusting, keys[1].public)

    def cases(self) -> dict[str, Case]:
        """Each of the images, by what is wrong with it."""
        good, passed = self._made(), "is signed, and its verdict passed"
        stranger = self._made(key=self.images.other_key)
        plain = self._made(sign=False, verdict=False)
        unjudged = self._made(verdict=False)
        borrowed, posing, elsewhere = self._made(sign=False, verdict=False), self._made(verdict=False), self._moved()
        self._say_of(good, borrowed, "sig", "att")
        said_of_another = self._made(verdict=False)
        self._say_of(good, said_of_another, "att")
        self.images.attest(
            self._here(posing), verdict_content(self.pinned, "x", posing), predicate_type="https://example.com/opinion"
        )
        bill = self._made(sign=False, verdict=False)
        self.images.attest(self._here(bill), {"bomFormat": "CycloneDX"}, predicate_type=TYPES["sbom"], kept="bundle")
        cut = self._made()
        self._cut_short(cut)
        return {
            "delivered": self._case(good, 0, passed),
            "of-the-new-key": Case(image=self._there(stranger), exit_code=0, said=passed, policy="rotated"),
            "unsigned": self._case(plain, 1, "NO  signature: no signatures found"),
            "key-of-a-stranger": self._case(stranger, 1, WRONG_KEY),
            "signature-of-another": self._case(borrowed, 1, "invalid or missing digest in claim"),
            "without-attestation": self._case(unjudged, 1, "NO  attestation: no matching attestations"),
            "another-predicate-type": self._case(posing, 1, "found: https://example.com/opinion"),
            "attestation-of-another": self._case(said_of_another, 1, "no matching subject digest found"),
            "bill-poses-as-signature": self._case(bill, 1, BUNDLE),
            "refused-verdict": self._case(self._made(passed=False), 1, "NO  verdict passed"),
            "expired-verdict": self._case(self._made(judgedAt=days_ago(400)), 1, "expired verdict"),
            "verdict-of-another-policy": self._case(self._made(policy=digest("9")), 1, "NO  verdict's policy"),
            "relocated": self._case(elsewhere, 1, "made for"),
            "list-with-one-unsigned": self._case(self._list(), 1, "NO  linux/arm64: signature"),
            "old-key-after-rotation": Case(image=self._there(good), exit_code=1, said=WRONG_KEY, policy="rotated"),
            "tag": Case(image=f"{self.place}:it", exit_code=2, said="does not name an image by digest"),
            "manifest-cut-short": self._case(cut, 3, "the registry does not give"),
            "registry-away": Case(
                image=f"{NOBODY}/{self.place.partition('/')[2]}@{good}",
                exit_code=3,
                said="see whether the registry runs",
            ),
        }

    def _made(self, *, sign: bool = True, verdict: bool = True, key: Any = None, **changes: Any) -> str:
        """Push a new image; what is said of it is what `changes` leave of a passing verdict."""
        found = self.images.push(self.images.release, {"number": secrets.token_hex(8)})
        if sign:
            self.images.sign(self._here(found), key)
        if verdict:
            content = verdict_content(self.pinned, self.images.candidate, found, **changes)
            self.images.attest(self._here(found), content, key, predicate_type=PREDICATE_TYPE)
        return found

    def _moved(self) -> str:
        """An image that was signed in another repository, with all that was said of it there."""
        other = f"{self.images.release}-other"
        found = self.images.push(other, {"number": secrets.token_hex(8)})
        self.images.sign(f"{other}@{found}")
        content = verdict_content(self.pinned, self.images.candidate, found)
        self.images.attest(f"{other}@{found}", content, predicate_type=PREDICATE_TYPE)
        self.images.copy(f"{other}@{found}", f"{self.images.release}:moved")
        for kind in ("sig", "att"):
            self.images.copy(f"{other}:{tag_of(found, kind)}", f"{self.images.release}:{tag_of(found, kind)}")
        return found

    def _list(self) -> str:
        """A list of two images, one of which nobody signed."""
        whole, parts = self.images.push_list(["amd64", "arm64"])
        named = {f"linux/{name}": found for name, found in parts.items()}
        judged = {"repository": self.images.candidate, "digest": whole, "platforms": named, "tested": "linux/amd64"}
        content = verdict_content(self.pinned, self.images.candidate, whole, image=judged)
        for one in (whole, parts["amd64"]):
            self.images.sign(self._here(one))
            self.images.attest(self._here(one), content, predicate_type=PREDICATE_TYPE)
        return whole

    def _say_of(self, one: str, other: str, *kinds: str) -> None:
        for kind in kinds:
            self.images.copy(
                f"{self.images.release}:{tag_of(one, kind)}", f"{self.images.release}:{tag_of(other, kind)}"
            )

    def _cut_short(self, found: str) -> None:
        """Take the end of a manifest away where the registry keeps it."""
        name = found.removeprefix("sha256:")
        (file,) = self.images.releases.directory.glob(f"**/blobs/sha256/{name[:2]}/{name}/data")
        file.write_bytes(file.read_bytes()[:-20])

    def _here(self, found: str) -> str:
        return f"{self.images.release}@{found}"

    def _there(self, found: str) -> str:
        """An image as the steps call it."""
        return f"{self.place}@{found}"

    def _case(self, found: str, exit_code: int, said: str) -> Case:
        return Case(image=self._there(found), exit_code=exit_code, said=said)

    def _write_policy(self, name: str, more: str, key: Path) -> None:
        folder = self.policies[name]
        folder.mkdir()
        rules = "image: {untestedPlatforms: [linux/arm64]}\n"
        (folder / "policy.yaml").write_text(POLICY_WITH_KEY.replace("publicKeys", f"{more}, publicKeys") + rules)
        shutil.copy(key, folder / "cosign.pub")


@dataclass(frozen=True)
class Verifying(Scenario):
    """A run with a task for each case, all of which go on whatever one says, for either engine, in the new `place`."""

    place: Path
    releases: Releases
    cases: Mapping[str, Case]

    @property
    def folder(self) -> Path:
        return self.place

    @cached_property
    def expect(self) -> Mapping[str, Any]:
        given = {
            "secrets": {"releases": str(self.releases.credential)},
            "config-maps": {name: str(folder) for name, folder in self.releases.policies.items()},
        }
        return {"given": given, "logs": {f"{name}/verify-image": [] for name in self.cases}}

    def write(self) -> Verifying:
        """Write the run."""
        self.place.mkdir()
        self.file.write_text(yaml.safe_dump(self._run()))
        return self

    def assert_each_was_told_apart(self, finished: Finished) -> None:
        """What is good was let through, and each of the others refused for its own reason."""
        tasks = observed(finished, self.logs)["tasks"]
        told = {name: "\n".join(finished.logs[f"{name}/verify-image"]) for name in self.cases}
        wrong = {
            name: (tasks[name]["steps"], told[name])
            for name, case in self.cases.items()
            if tasks[name]["steps"]["verify-image"].split()[-1] != str(case.exit_code)
            or not re.search(case.said, told[name])
        }
        assert not wrong, wrong
        passed = {name for name, task in tasks.items() if task["results"].get("verified") == "true"}
        assert passed == {name for name, case in self.cases.items() if case.exit_code == 0}

    def _run(self) -> dict[str, Any]:
        held = [{"name": name, "configMap": {"name": name}} for name in self.releases.policies]
        held += [{"name": "releases", "secret": {"secretName": "releases"}}, {"name": "report", "emptyDir": {}}]
        tasks = [self._task(name, case) for name, case in self.cases.items()]
        pipeline = {"workspaces": [{"name": one["name"]} for one in held], "tasks": tasks}
        spec = {"pipelineSpec": pipeline, "workspaces": held}
        return {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": self.name}, "spec": spec}

    def _task(self, name: str, case: Case) -> dict[str, Any]:
        task = copy.deepcopy(yaml.safe_load((ROOT / "tasks/update-manifest/update-manifest.yaml").read_text()))
        labels, step = task["metadata"]["labels"], task["spec"]["steps"][0]
        assert step["name"] == "verify-image"
        given = {
            "image": case.image,
            "policy-digest": policy_digest(self.releases.policies[case.policy]),
            "commit": "",
            "model-digest": "",
            "tls-verify": "false",
        }
        workspaces = {"policy": case.policy, "release-credential": "releases", "report": "report"}
        return {
            "name": name,
            "onError": "continue",
            "params": [{"name": key, "value": value} for key, value in given.items()],
            "workspaces": [{"name": own, "workspace": of} for own, of in workspaces.items()],
            "taskSpec": {
                "metadata": {"labels": {"hallmark.dev/network": labels["hallmark.dev/network"]}},
                "params": [{"name": key} for key in given],
                "results": [{"name": "verified"}],
                "workspaces": [{"name": own} for own in workspaces],
                "steps": [{**step, "image": "registry.example/delivery", "computeResources": {}}],
            },
        }
