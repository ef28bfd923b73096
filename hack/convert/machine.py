"""The machine type: one that was chosen, or one as the workers' pods ask for it."""

import re

from hack.chart import machines
from hack.convert import pods
from hack.convert.graph import Component, Graph
from hack.convert.notes import Notes
from hack.convert.tree import Tree, a_map, get, maps, put, whole


def apply(graph: Graph, result: Tree, roles: dict[str, Component], hardware: str, notes: Notes) -> None:
    chosen = hardware or str(get(graph.values, "global", "hardware", default=""))
    spec, shares = as_asked(graph, roles, notes)
    if not chosen:
        if spec:
            put(result, "global.hardwareSpec", spec)
        for role, share in shares.items():
            put(result, f"{'decode' if role == 'agg' else role}.rdma", share)
        notes.doubt(
            "global.hardware",
            "nvidia, any NVIDIA node: --hardware chooses a machine type of docs/machines.md, with its fabric",
        )
        return
    put(result, "global.hardware", chosen)
    if spec:
        notes.change(
            "global.hardware", f"{chosen} has what the pods asked for by themselves: {', '.join(sorted(spec))}"
        )
    preset = machines.preset(chosen)
    own = {**a_map(preset.get("env")), **a_map(get(preset, "rdma", "env"))}
    for role in roles:
        pool = result["decode" if role == "agg" else role]
        for name in [n for n in a_map(pool.get("env")) if n in own]:
            if pool["env"][name] != own[name]:
                notes.change(f"{role}.env.{name}", f"left out ({pool['env'][name]}): {chosen} has {own[name]}")
            del pool["env"][name]
        _of_machine(pool, preset, role, chosen, notes)
        for name in ("nodeSelector", "tolerations"):
            if name in pool:
                notes.change(f"{role}.{name}", f"left out: {chosen} has its own")
                del pool[name]


def _of_machine(pool: Tree, preset: Tree, role: str, chosen: str, notes: Notes) -> None:
    """Annotations and folders of the node that the machine type has too."""
    own = a_map(get(preset, "rdma", "podAnnotations"))
    paths = {str(folder.get("mountPath")) for folder in a_map(preset.get("hostPaths")).values()}
    for name, has in (
        ("podAnnotations", lambda key, _: key in own),
        ("volumes", lambda _, volume: volume.get("mountPath") in paths),
    ):
        for key in [k for k, v in a_map(pool.get(name)).items() if has(k, v)]:
            notes.change(f"{role}.{name}.{key}", f"left out: {chosen} has its own")
            del pool[name][key]
        if pool.get(name) == {}:
            del pool[name]


def as_asked(graph: Graph, workers: dict[str, Component], notes: Notes) -> tuple[Tree, dict[str, Tree]]:
    """A machine type as the workers' pods ask for it: the values of hardwareSpec, and each role's own share."""
    spec: Tree = {}
    shares: dict[str, Tree] = {}
    parts = list(workers.values())
    per_pod = {role: pods.gpus(part) for role, part in workers.items()}
    spread = {per_pod[role] for role, part in workers.items() if part.nodes > 1 and per_pod[role]}
    if len(spread) > 1:
        notes.doubt(
            "global.hardwareSpec.gpusPerNode",
            f"the roles' pods have {sorted(spread)} GPUs: one number of GPUs for each node here",
        )
    most = max([*spread, 0]) or max([*per_pod.values(), 0])
    if spread or most > 8:
        spec["gpusPerNode"] = most
        if spread:
            notes.change(
                "global.hardwareSpec.gpusPerNode",
                f"{most}: a worker of several nodes fills them with so many GPUs each",
            )
    names = {str(n) for p in parts for n in a_map(p.resources.get("limits")) if pods.GPU.search(str(n))}
    if names - {"nvidia.com/gpu"}:
        spec["gpuResource"] = sorted(names)[0]
    arch = {str(get(p.pod, "nodeSelector", "kubernetes.io/arch", default="")) for p in parts}
    if "arm64" in arch:
        spec["arch"] = "arm64"
    devices = {role: pods.devices(part) for role, part in workers.items()}
    union: Tree = {name: count for found in devices.values() for name, count in found.items()}
    if union:
        put(spec, "rdma.extendedResources", union)
        for role, found in devices.items():
            if differs := {name: found.get(name) for name in union if found.get(name) != union[name]}:
                shares[role] = {"extendedResources": differs}
    needed = sorted({c for p in parts for c in pods.capabilities(p)})
    claims = _claims(graph, parts, spec, notes)
    if spec.get("computeDomain") and "gpusPerNode" not in spec and 0 < most < 8:
        spec["gpusPerNode"] = most
        notes.doubt(
            "global.hardwareSpec.gpusPerNode",
            f"{most}, as many as a pod has: a node has one channel of a ComputeDomain, and so one worker",
        )
    if needed and (union or claims):
        put(spec, "rdma.capabilities", needed)
        put(spec, "rdma.runAsRoot", True)
        put(spec, "reasons.capabilities", "As in the deployment that these values were made of: RDMA locks memory.")
        notes.change(
            "global.hardwareSpec.rdma",
            f"{', '.join(needed)} as root with the RDMA devices: an added capability reaches only root",
        )
    elif needed:
        notes.loss(
            "securityContext.capabilities", f"{', '.join(needed)}: the pods ask for no RDMA device, so they need none"
        )
    return spec, shares


def _claims(graph: Graph, parts: list[Component], spec: Tree, notes: Notes) -> bool:
    """Devices through Dynamic Resource Allocation; whether any are network devices."""
    found = False
    for part in parts:
        for claim in maps(part.pod.get("resourceClaims")):
            template = str(claim.get("resourceClaimTemplateName") or "")
            known = graph.claim_templates.get(template)
            if (known and "computeDomain" in known) or (
                known is None and "compute-domain" in template + str(claim.get("name"))
            ):
                spec["computeDomain"] = True
                notes.change(
                    f"{part.where} resourceClaims",
                    "global.hardwareSpec.computeDomain: the release makes the ComputeDomain",
                )
                continue
            requests = maps(get(known or {}, "devices", "requests", default=[]))
            exact = [a_map(r.get("exactly")) or r for r in requests]
            classes = [
                (str(r["deviceClassName"]), whole(r.get("count")) or 1) for r in exact if r.get("deviceClassName")
            ]
            if len(classes) == 1:
                name, count = classes[0]
                put(
                    spec,
                    f"rdma.claims.{re.sub(r'[^a-z0-9-]', '-', str(claim.get('name')).lower())[:32]}",
                    {"deviceClassName": name, "count": count},
                )
                found = True
            else:
                notes.loss(
                    f"{part.where} resourceClaims.{claim.get('name')}",
                    f"the template {template} "
                    f"{'asks for several devices' if classes else 'is not in the input'}: see "
                    "global.hardwareSpec.rdma.claims, or choose a machine type that has them",
                )
    return found
