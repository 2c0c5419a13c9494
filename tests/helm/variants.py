"""Values that make each kind of object and each branch of the chart."""

from typing import Any

MATRIX: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "deployment": {"kind": "Deployment", "replicas": 3, "podDisruptionBudget": {"enabled": True}},
    "pulls to a claim": {"models": {"source": "claim", "pull": ["qwen2.5-0.5b"]}},
    "a claim that exists": {"models": {"source": "claim", "claim": {"existing": "models"}}},
    "pulls to each pod": {"models": {"source": "empty", "pull": ["qwen2.5-0.5b"], "hub": "http://hub"}},
    "a folder of the node": {"models": {"source": "hostPath"}, "settings": {"model": "qwen2.5-0.5b"}},
    "a model of its own size": {"settings": {"models": {"qwen2.5-0.5b": {"slots": 2}}}},
    "tasks": {"tasks": {"triage.yaml": "name: triage\n"}},
    "watched by an operator": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
    "closed": {
        "tls": {"secret": "cert", "clientCa": "ca.crt", "http": True},
        "credentials": {"tokens": "tokens", "policy": "policy"},
        "serviceMonitor": {"enabled": True},
    },
    "open network": {"networkPolicy": {"enabled": False}},
}
