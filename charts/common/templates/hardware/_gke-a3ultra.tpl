{{- define "dynamo-disagg.hardware.gke-a3ultra" -}}
description: GKE a3-ultragpu-8g, eight H200 141 GB, eight RoCE NICs (Cluster Toolkit network names).
arch: amd64
gpusPerNode: 8
nodeSelector:
  cloud.google.com/gke-accelerator: nvidia-h200-141gb
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
env:
  LD_LIBRARY_PATH: /usr/local/gib/lib64:/usr/local/nvidia/lib64
hostPaths:
  nvidia: {path: /home/kubernetes/bin/nvidia, mountPath: /usr/local/nvidia}
  gib: {path: /home/kubernetes/bin/gib, mountPath: /usr/local/gib}
# Workers that share a node divide its NICs (prefill.rdma, decode.rdma), as values/a3u-single.yaml does.
rdma:
  exclusive: true
  podAnnotations:
    networking.gke.io/default-interface: eth0
    networking.gke.io/interfaces: |-
      [{"interfaceName":"eth0","network":"default"},
       {"interfaceName":"eth1","network":"gvnic-1"},
       {"interfaceName":"eth2","network":"rdma-0"},
       {"interfaceName":"eth3","network":"rdma-1"},
       {"interfaceName":"eth4","network":"rdma-2"},
       {"interfaceName":"eth5","network":"rdma-3"},
       {"interfaceName":"eth6","network":"rdma-4"},
       {"interfaceName":"eth7","network":"rdma-5"},
       {"interfaceName":"eth8","network":"rdma-6"},
       {"interfaceName":"eth9","network":"rdma-7"}]
  extendedResources:
    networking.gke.io.networks/rdma-0: 1
    networking.gke.io.networks/rdma-1: 1
    networking.gke.io.networks/rdma-2: 1
    networking.gke.io.networks/rdma-3: 1
    networking.gke.io.networks/rdma-4: 1
    networking.gke.io.networks/rdma-5: 1
    networking.gke.io.networks/rdma-6: 1
    networking.gke.io.networks/rdma-7: 1
  env:
    # With ten interfaces in the pod, sockets would otherwise bind to a NIC that cannot reach the peers.
    GLOO_SOCKET_IFNAME: eth0
    NCCL_SOCKET_IFNAME: eth0
    # Those that llm-d ran on this machine (llm-d v0.9, guides/pd-disaggregation, gke base, 02be547b). No tcp: a KV
    # transfer that cannot use RDMA or NVLink must fail, not fall back in silence to a TTFT of 100 s. Dynamo's own
    # recipes set no UCX_TLS at all, and then UCX may fall back.
    UCX_TLS: rc_mlx5,rc,cuda_copy,cuda_ipc,sm,shm,self
    # Prefill and decode may use different NICs, on different subnets of one routed fabric.
    UCX_IB_ROCE_REACHABILITY_MODE: all
    UCX_RNDV_SCHEME: get_zcopy
    UCX_RNDV_THRESH: "0"
  capabilities: [IPC_LOCK]
  runAsRoot: true
reasons:
  hostPaths: The driver and GPUDirect libraries that GKE puts on the node.
  capabilities: RDMA registers (locks) memory, and an added capability reaches only root.
{{- end }}
