"""The chart and the image on a real Kubernetes node of their own: `python -m tests.cluster`."""
