"""Figures as verify-model leaves them."""

from __future__ import annotations

from typing import Any


def alive(text: str) -> dict[str, Any]:
    """What verify-model's figures look like, with `text` wherever a text may stand."""
    ends = {"value": 0.5, "low": 0.4, "high": 0.6}
    return {
        "metrics": [{"name": "accuracy", **ends, "minimum": 0.45, "decide": text}, {"name": text, **ends}],
        "champion": [
            {
                "metric": text,
                "test": text,
                "limit": text,
                "reference": text,
                "passed": False,
                "candidate": 0.5,
                "champion": ends,
                "difference": 0.0,
                "low": -0.1,
                "high": 0.1,
                "p": 0.5,
            }
        ],
        "slices": {
            "measure": "accuracy",
            "value": 0.5,
            "looked": 3,
            "weak": 1,
            "significance": 0.05,
            "limits": {},
            "weakest": [{"name": text, "rows": 9, "p": 0.01, "weak": True, **ends}],
        },
        "fairness": [
            {
                "columns": [text],
                "positive": text,
                "decide": text,
                "left_out": {text: text},
                "groups": [{"name": text, "rows": 9, "compared": False, "rates": {"accuracy": 0.5}, **ends}],
                "metrics": [{"name": text, "limit": 0.1, "held": False, "lowest": text, "highest": text, **ends}],
            }
        ],
        "robustness": [{"test": text, "rows": 9, "limits": {"maximum_drop": 0.1}, "passed": False, **ends}],
        "declared": [{"test": text, "rows": 9, "held": 4, "share": 0.4, "low": 0.1, "high": 0.8, "minimum": 0.9}],
        "importances": {"measure": text, "warning": True, "features": [{"feature": text, **ends}]},
        "explanations": {
            "measure": "probability",
            "pairs": 20,
            "examples": [
                {
                    "row": 3,
                    "of": text,
                    "value": 0.9,
                    "background": 0.1,
                    "features": [{"feature": text, "value": 0.8, "error": 0.1, "shown": text}],
                }
            ],
        },
        "roc": [{"class": text, "area": 0.5, "points": [[0, 0], [1, 1]]}] * 2,
        "mistakes": {"total": 1, "rows": [{"row": 1, "true": text, "predicted": text}]},
        "performance": {
            "models": {text: {"measures": {"size": {**ends, "unit": text}}, "histogram": [[1, 1], [2, 1], [3, 1]]}},
            "limits": [{"name": text, "limit": text}],
        },
    }
