"""Search for secrets and dangerous calls in text. A list of patterns, not a proof of safety."""

import re

from runtime.capabilities import inputs
from runtime.http1 import Json

PATTERNS = tuple(
    (name, severity, re.compile(pattern, re.IGNORECASE))
    for name, severity, pattern in (
        ("private key", "critical", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
        ("cloud access key", "critical", r"\bAKIA[0-9A-Z]{16}\b"),
        (
            "password in plain text",
            "high",
            r"\b(?:password|passwd|secret|api_?key|token)\s*[=:]\s*['\"][^'\"]+['\"]",
        ),
        ("credentials in a URL", "high", r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]+:[^\s/@]+@"),
        ("code run from text", "high", r"\b(?:eval|exec)\s*\("),
        ("shell run from text", "high", r"\bshell\s*=\s*True\b|\bos\.system\s*\("),
        ("unsafe deserialisation", "high", r"\bpickle\.loads?\s*\(|\byaml\.load\s*\((?!.*Safe)"),
        ("certificate not checked", "medium", r"\bverify\s*=\s*False\b|\bcurl\b.*\s(?:-k|--insecure)\b"),
        ("weak hash", "medium", r"\b(?:md5|sha1)\s*\("),
        ("open to everyone", "low", r"\bchmod\s+(?:-R\s+)?0?777\b"),
    )
)
SEVERITIES = ("critical", "high", "medium", "low")


def findings(value: Json) -> Json:
    """TEXT → findings with line, severity and name, and the number of each severity.

    What was found is not repeated, as it may be a secret."""
    found: list[tuple[int, str, str]] = []
    for number, line in enumerate(inputs.text(value).splitlines(), start=1):
        found.extend((number, severity, name) for name, severity, pattern in PATTERNS if pattern.search(line))
    counts = {severity: sum(each[1] == severity for each in found) for severity in SEVERITIES}
    return {
        "findings": [{"line": line, "severity": severity, "finding": name} for line, severity, name in found],
        "counts": {severity: count for severity, count in counts.items() if count},
    }
