"""Values that make each kind of object and each branch of the chart."""

from typing import Any

SIDECAR: dict[str, Any] = {
    "name": "rmr",
    "image": "registry.example/rmr-sidecar:1",
    "ports": [{"name": "rmrdata", "containerPort": 4560}],
    "resources": {"limits": {"memory": "64Mi"}},
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}

MATRIX: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "deployment": {"kind": "Deployment", "replicas": 3, "podDisruptionBudget": {"enabled": True}},
    "pulls to a claim": {"models": {"source": "claim", "pull": ["qwen2.5-0.5b"]}},
    "a claim that exists": {"models": {"source": "claim", "claim": {"existing": "models"}}},
    "pulls to each pod": {"models": {"source": "empty", "pull": ["qwen2.5-0.5b"], "hub": "http://hub"}},
    "a folder of the node": {"models": {"source": "hostPath"}, "settings": {"model": "qwen2.5-0.5b"}},
    "a model of its own size": {"settings": {"models": {"qwen2.5-0.5b": {"slots": 2}}}},
    "collections on each node": {"collections": {"source": "hostPath"}},
    "collections in a claim": {"kind": "Deployment", "collections": {"source": "claim"}},
    "collections of another claim": {
        "kind": "Deployment",
        "collections": {"source": "claim", "claim": {"existing": "handbooks"}},
    },
    "collections for a try": {
        "collections": {"source": "empty"},
        "settings": {"retrieval": {"cache_bytes": 0}},
    },
    "tasks": {"tasks": {"triage.yaml": "name: triage\n"}},
    "watched by an operator": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
    "a dashboard": {"grafanaDashboard": {"enabled": True}},
    "closed": {
        "tls": {"secret": "cert", "clientCa": "ca.crt", "http": True},
        "credentials": {"tokens": "tokens", "policy": "policy"},
        "serviceMonitor": {"enabled": True},
    },
    "a certificate of cert-manager": {
        "tls": {"secret": "cert", "certManager": {"issuer": "ran-ca", "names": ["genai.example"]}},
        "openai": {"enabled": True},
    },
    "files and containers of the operator": {
        "extraVolumes": [{"name": "quotas", "configMap": {"name": "quotas"}}],
        "extraVolumeMounts": [{"name": "quotas", "mountPath": "/opt/xapp/quotas", "readOnly": True}],
        "extraContainers": [SIDECAR],
        "settings": {"quotas": "/opt/xapp/quotas/quotas.toml"},
    },
    "asked in OpenAI's dialect": {"openai": {"enabled": True, "hosts": ["genai.example"]}},
    "balanced by Envoy": {"envoy": {"enabled": True, "replicas": 2}},
    "a model over helpers": {"kind": "Deployment", "rpc": {"helpers": 2, "memoryMb": 900, "cacheMb": 500}},
    "in a RIC": {
        "kind": "Deployment",
        "ric": {
            "appmgr": "http://service-ricplt-appmgr-http.ricplt:8080",
            "rmrEndpoint": "service-ricxapp-genai-xapp-rmr.ricxapp:4560",
            "a1": "http://service-ricplt-a1mediator-http.ricplt:10000",
            "status": "https://smo.example/status",
            "alarms": "http://service-ricplt-alarmmanager-http.ricplt:8080",
            "policyType": 5,
        },
        "settings": {"slots": 4, "ric_a1_poll_s": 5},
    },
    "policies of its own": {"ric": {"policies": {"night.json": '{"statement": {"max_rps": 1}}'}}},
    "open network": {"networkPolicy": {"enabled": False}},
}
