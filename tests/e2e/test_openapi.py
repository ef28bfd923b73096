"""The schemas that the fast tiers check objects against are those of the cluster's API server."""

from hack.cluster.lifecycle import Cluster
from hack.schema import kubernetes as openapi
from hack.verbs.schema import from_api_server


def test_committed_schemas_are_those_of_the_api_server(running: Cluster) -> None:
    served = openapi.pruned(from_api_server(running.kubeconfig))
    assert openapi.differences(openapi.KUBERNETES_FILE, served) == [], "run `make openapi`"
