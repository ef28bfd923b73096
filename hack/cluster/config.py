"""The configuration kind makes a cluster from."""

from typing import Any

import yaml

from hack.base.versions import versions


def cluster_config(name: str, workers: int, *, own_image: bool, cgroup_v1: bool, api_port: int = 0) -> str:
    """The YAML of one control plane and the workers; `api_port` 0 lets kind pick a free one."""
    patches: list[dict[str, Any]] = []
    networking: dict[str, Any] = {"apiServerPort": api_port} if api_port else {}
    if cgroup_v1:
        # From Kubernetes 1.35 on the kubelet refuses cgroup v1 unless told otherwise.
        patches.append({"kind": "KubeletConfiguration", "failCgroupV1": False})
    if own_image:
        # It has no kindnet (see hack/cluster/network.py), and its kube-proxy image has nft, not iptables.
        networking |= {"disableDefaultCNI": True, "kubeProxyMode": "nftables"}
        patches.append(
            {
                "kind": "ClusterConfiguration",
                "etcd": {"local": {"imageTag": f"{versions()['node-image']['etcd']}-0"}},
            }
        )
    # Schedulable: it stands for the CPU nodes of a real cluster, as the workers' taints keep other pods away.
    control_plane = {
        "role": "control-plane",
        "kubeadmConfigPatches": [_yaml({"kind": "InitConfiguration", "nodeRegistration": {"taints": []}})],
    }
    return _yaml(
        {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "name": name,
            "networking": networking,
            "kubeadmConfigPatches": [_yaml(patch) for patch in patches],
            "nodes": [control_plane, *({"role": "worker"} for _ in range(workers))],
        }
    )


def _yaml(data: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(data, sort_keys=False)
    return text
