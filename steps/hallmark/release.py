"""What a verdict must say before an image is signed, and again before it is deployed: one list for both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from hallmark.documents.policy import Policy
from hallmark.documents.rules_model import AT_MOST, AtLeast, Champion, Decide, Limit
from hallmark.errors import BadInputError
from hallmark.files import DIGEST, inside
from hallmark.gate_report import Check
from hallmark.judgement import needed_by_ratio
from hallmark.platforms import tested_check
from hallmark.tools.cosign import Cosign, Log, Version, cosign, key_bytes
from hallmark.verdict import CLOCK_SKEW, Metric, Verdict, VerdictChampion, VerdictImage

CHAMPION = "champion"
POLICIES = "policies"
"""A list beside a secret: the digests of the policies that it may be used for."""


def verdict_checks(
    verdict: Verdict,
    *,
    policy: Policy,
    policy_digest: str,
    image_digest: str,
    commit: str | None,
    model_digest: str | None,
    now: datetime,
    trusted: Collection[str] = (),
) -> list[Check]:
    """The checks on what `verdict` says; it may be signed, or deployed, only if all of them pass.

    Args:
        commit, model_digest: what the run hands over, None where nobody asks.
        now: the time by which the verdict's age is told.
        trusted: digests of other policies that it may have been judged by; `policy` is asked all the same.
    """
    failed = [check.name for check in verdict.checks if not check.passed]
    return [
        Check(
            name="verdict passed",
            passed=verdict.passed and not failed,
            value="passed" if verdict.passed else "refused",
            detail=f"the judge said no to: {', '.join(failed)}" if failed else "",
        ),
        Check(
            name="verdict's image",
            passed=verdict.image.means(image_digest),
            value=verdict.image.digest,
            limit=f"equal to {image_digest}, or a list that has it",
        ),
        *platform_checks(verdict.image, policy),
        age_check(verdict, policy, now),
        _policy_check(verdict, policy_digest, trusted),
        _equal("verdict's model name", verdict.model.name, policy.metadata.name),
        *repository_checks(verdict.source.repository, policy),
        *([_equal("verdict's commit", verdict.source.commit, commit)] if commit else []),
        *([_equal("verdict's model", verdict.model.digest, model_digest)] if model_digest else []),
        _gates(verdict, policy),
        *_metrics(verdict, policy),
        Check(
            name="verdict's rows",
            passed=verdict.data.rows >= policy.model.minimum_rows,
            value=str(verdict.data.rows),
            limit=f"at least {policy.model.minimum_rows}",
        ),
        Check(
            name="verdict's overlap",
            passed=verdict.data.overlap <= policy.data.maximum_overlap,
            value=f"{verdict.data.overlap:.6g}",
            limit=f"at most {policy.data.maximum_overlap:g}",
        ),
    ]


def platform_checks(image: VerdictImage, policy: Policy) -> list[Check]:
    """Whether a list of images was called on each of its platforms that the policy wants tested; no check of one
    image."""
    allowed = policy.image.untested_platforms
    return [tested_check(image.platforms, image.tested, allowed)] if image.platforms else []


def age_check(verdict: Verdict, policy: Policy, now: datetime) -> Check:
    """Whether the verdict is not yet too old for the policy, and not from a time that is still to come."""
    days, age = policy.signing.valid_for, now - verdict.judged_at
    ahead, expired = age < -CLOCK_SKEW, days is not None and age >= timedelta(days=days)
    told = "judged in the future" if ahead else "expired verdict, judged" if expired else "judged"
    return Check(
        name="verdict's age",
        passed=not (ahead or expired),
        value=f"{told} at {verdict.judged_at:%Y-%m-%dT%H:%M:%SZ}",
        limit="before now" if days is None else f"at most {days} days ago",
        detail="deliver the same commit again: it is judged anew, and the new verdict attested" if expired else "",
    )


def holds_for_long(verdict: Verdict, policy: Policy, now: datetime) -> bool:
    """Whether less than half of the verdict's time is over, so that nobody needs a new one yet."""
    days, age = policy.signing.valid_for, now - verdict.judged_at
    return age >= -CLOCK_SKEW and (days is None or age < timedelta(days=days) / 2)


def _policy_check(verdict: Verdict, policy_digest: str, trusted: Collection[str]) -> Check:
    return Check(
        name="verdict's policy",
        passed=verdict.policy == policy_digest or verdict.policy in trusted,
        value=verdict.policy,
        limit=f"equal to {policy_digest}" + (f" or one of {len(trusted)} earlier ones" if trusted else ""),
    )


def repository_checks(url: str, policy: Policy) -> list[Check]:
    """Whether the model comes from where the policy says; no check where it does not say."""
    allowed = policy.source.repositories
    if not allowed:
        return []
    return [Check(name="repository", passed=url in allowed, value=url, limit=f"one of {', '.join(allowed)}")]


def public_keys(policy: Policy, folder: Path) -> dict[str, Path]:
    """The files of the policy's public keys, by the name that the policy gives them.

    Raises:
        BadInputError: one of them is missing or holds no public key, or is the same as another or as one of models.
    """
    found = {}
    for name in policy.signing.public_keys:
        file = inside(folder, name)
        try:
            text = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(
                f"the policy names the public key {name}, which cannot be read",
                solution=f"put {name} beside the policy",
            ) from error
        if key_bytes(text) is None:
            raise BadInputError(
                f"{name} beside the policy holds no public key", solution="put the text of cosign.pub there (PEM)"
            )
        found[name] = file
    _require_different(found, {name: inside(folder, name) for name in policy.signing.model_keys})
    return found


def _require_different(releases: Mapping[str, Path], models: Mapping[str, Path]) -> None:
    """One key under two names would stay when one of them is retired, or sign models and releases."""
    names: dict[bytes | None, str] = {}
    for name, file in [*releases.items(), *((name, file) for name, file in models.items() if file.is_file())]:
        key = key_bytes(file.read_text(encoding="ascii", errors="replace"))
        if key is not None and (other := names.setdefault(key, name)) != name:
            raise BadInputError(
                f"{other} and {name} beside the policy are the same key", solution="name one of them, or another key"
            )


def cosign_for(
    policy: Policy, folder: Path, authfile: Path, *, tls_verify: bool, version: Version | None = None
) -> Cosign:
    """The cosign on PATH, for how the policy in `folder` wants signatures kept and logged. Raises as `cosign` does."""
    log = transparency_log(policy, folder)
    return cosign(authfile, tls_verify=tls_verify, kept=policy.signing.format, log=log, version=version)


def transparency_log(policy: Policy, folder: Path) -> Log | None:
    """The log that has to hold what keys have signed. Raises BadInputError: its key is not beside the policy."""
    wanted = policy.signing.transparency_log
    if wanted is None:
        return None
    file = inside(folder, wanted.public_key)
    if not file.is_file() or key_bytes(file.read_text(encoding="ascii", errors="replace")) is None:
        raise BadInputError(
            f"the policy names {wanted.public_key} as the transparency log's key, and there is no public key",
            solution=f"put what GET {wanted.url.rstrip('/')}/api/v1/log/publicKey answers beside the policy, once you "
            "have compared it with what the log's operators publish",
        )
    return Log(url=wanted.url, public_key=file)


def names_of(key: str, keys: Mapping[str, Path]) -> list[str]:
    """Which of the policy's `keys` a public key (PEM) is, by the names that the policy has for it."""
    own = key_bytes(key)
    return [name for name, file in keys.items() if key_bytes(file.read_text(encoding="ascii")) == own]


def accepted_policies(file: Path, whose: str) -> frozenset[str]:
    """The digests in a list beside a secret: of the policies that its owner accepts, one a line, `#` for comments.

    Args:
        whose: the secret, as people call it.

    Raises:
        BadInputError: the list cannot be read, or has a line that is no digest.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{whose}'s list of policies cannot be read: {file}", solution="give that file, or check the mounted Secret"
        ) from error
    found = frozenset(text for line in lines if (text := line.partition("#")[0].strip()))
    odd = sorted(line for line in found if not DIGEST.fullmatch(line))
    if odd:
        raise BadInputError(
            f"{odd[0]!r} in {whose}'s list of policies is no digest",
            solution="write one `sha256:<64 hexadecimal digits>` a line; a comment starts with #",
        )
    return found


def require_accepted(credential: Path | None, policy_digest: str, whose: str) -> bool:
    """Whether the credential's folder has a list of policies; whoever starts a run binds both, perhaps of two owners.

    Args:
        credential: folder of a mounted Secret; None: there is none to be misused.
        whose: the credential, as people call it.

    Raises:
        BadInputError: it has a list, and this policy is not on it.
    """
    if credential is None or not (credential / POLICIES).exists():
        return False
    if policy_digest not in accepted_policies(credential / POLICIES, whose):
        raise BadInputError(
            f"{whose} is not for the policy {policy_digest}",
            solution=f"bind the credential that belongs to this policy, or have its owner add the digest to {POLICIES}",
        )
    return True


def _equal(name: str, found: str, expected: str) -> Check:
    return Check(name=name, passed=found == expected, value=found, limit=f"equal to {expected}")


def _gates(verdict: Verdict, policy: Policy) -> Check:
    bad = [
        f"{gate} {'is missing' if gate not in verdict.gates else 'was refused'}"
        for gate in policy.required_gates
        if gate not in verdict.gates or not verdict.gates[gate].passed
    ]
    return Check(
        name="required gates",
        passed=not bad,
        value=", ".join(bad) or f"{len(policy.required_gates)} passed",
        limit=", ".join(policy.required_gates),
    )


def _metrics(verdict: Verdict, policy: Policy) -> list[Check]:
    """A check for each limit of the policy; the verdict's own limit, which may be stricter, has to hold as well."""
    limits = policy.model.metrics.limits.items()
    found = [_metric(name, verdict.metrics.get(name), limit) for name, limit in limits]
    precise = [
        _precision(name, verdict.metrics.get(name), limit.precision) for name, limit in limits if limit.precision
    ]
    return [*found, *precise, *_champion(verdict, policy)]


def _champion(verdict: Verdict, policy: Policy) -> list[Check]:
    """Where the policy has the champion compared, the judge must have done so, by a rule that asks as much."""
    rules = policy.model.champion
    if rules is None:
        return []
    judged = [check for check in verdict.checks if check.name == CHAMPION]
    missing = verdict.champion is None or not judged
    why = (
        "missing" if verdict.champion is None or missing else _objection(verdict.champion, verdict.model.digest, rules)
    )
    said = why or judged[0].value
    return [
        Check(
            name="verdict's champion",
            passed=not why and all(check.passed for check in judged),
            value=said,
            limit=f"{rules.metric} by {rules.rule}",
        )
    ]


def _objection(found: VerdictChampion, model: str, rules: Champion) -> str:
    """Why a comparison is not what these rules ask for; empty where it is."""
    if not found.passed:
        return "the judge said no"
    if found.production not in rules.production:
        return f"compared with what is in {found.production}" if found.production else "compared with what is nowhere"
    if found.image is None:
        return "" if rules.first == "allow" else "nothing was in production"
    if found.model == model:
        return ""
    if (found.metric, found.rule) != (rules.metric, rules.rule):
        return f"{found.metric} by {found.rule}"
    if found.candidate is None or found.champion is None:
        return "no values"
    if rules.rule == "ratio":
        less = rules.metric in AT_MOST
        needed = needed_by_ratio(found.champion, rules.ratio, less_is_better=less)
        held = found.candidate <= needed if less else found.candidate >= needed
        return "" if held else f"{found.candidate:.6g}, and {needed:.6g} is needed"
    if found.margin is None or rules.margin is None or found.margin > rules.margin:
        return f"with a margin of {found.margin}"
    return "" if found.p is not None and found.p < rules.alpha else f"p = {found.p}"


def _metric(name: str, metric: Metric | None, limit: Limit) -> Check:
    if metric is None:
        asked = f"at least {limit.minimum:g}" if isinstance(limit, AtLeast) else f"at most {limit.maximum:g}"
        return Check(name=f"verdict's {name}", passed=False, value="missing", limit=asked)
    decide: Decide = "bound" if "bound" in (limit.decide, metric.decide) else "estimate"
    if isinstance(limit, AtLeast):
        bound = limit.minimum if metric.minimum is None else max(limit.minimum, metric.minimum)
        end, asked, strictest = metric.low, f"at least {bound:g}", {"minimum": bound}
    else:
        bound = limit.maximum if metric.maximum is None else min(limit.maximum, metric.maximum)
        end, asked, strictest = metric.high, f"at most {bound:g}", {"maximum": bound}
    said = f"{metric.value:.6g}" if decide == "estimate" else f"{end:.6g} at the interval's end"
    passed = metric.model_copy(update={**strictest, "decide": decide}).held
    return Check(name=f"verdict's {name}", passed=passed, value=said, limit=asked)


def _precision(name: str, metric: Metric | None, precision: float) -> Check:
    half = None if metric is None else (metric.high - metric.low) / 2
    return Check(
        name=f"verdict's precision of {name}",
        passed=half is not None and 0 < half <= precision,
        value="missing" if half is None else f"± {half:.4g}",
        limit=f"± {precision:g}",
    )
