"""`schema`: the schema of the values, and the schemas it is made from."""

from pathlib import Path

import click

from hack.base.log import UserError, console
from hack.base.paths import ROOT
from hack.cluster.apiserver import ApiServer
from hack.flags import files as flagfiles
from hack.schema import bundle as bundler
from hack.schema import kubernetes as kubernetes_schemas
from hack.schema.kubernetes import Schema
from hack.verbs.cli import check_only, examples, test_cluster


@click.group(
    epilog=examples(
        "schema bundle",
        "schema bundle --check",
        "schema kubernetes",
        "schema kubernetes --kubeconfig ~/.kube/config --check",
    )
)
def command() -> None:
    """Make values.schema.json, and what it is made from."""


@command.command(help=bundler.__doc__)
@check_only
def bundle(check: bool) -> None:
    for file, text in {**bundler.generated(), **flagfiles.templates()}.items():
        name = file.relative_to(ROOT)
        current = file.is_file() and file.read_text() == text
        if check and not current:
            raise UserError(f"{name} is stale: run `python3 -m hack schema bundle` and commit the result")
        if not current:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        console.print(f"{name}: {len(text) / 1000:.0f} kB, {'current' if current else 'written'}")


@command.command(help=kubernetes_schemas.__doc__)
@test_cluster
@check_only
def kubernetes(kubeconfig: Path, check: bool) -> None:
    fresh = {
        kubernetes_schemas.KUBERNETES_FILE: kubernetes_schemas.pruned(from_api_server(kubeconfig)),
        kubernetes_schemas.GATEWAY_FILE: kubernetes_schemas.gateway_definitions(),
    }
    stale = {path: names for path, old in fresh.items() if (names := kubernetes_schemas.differences(path, old))}
    if check:
        if stale:
            listed = "; ".join(
                f"{path.relative_to(ROOT)}: {len(names)} definitions, first {names[0]}" for path, names in stale.items()
            )
            raise UserError(f"not current: {listed}. Run the same command without --check.")
        console.print("schemas/kubernetes is current")
        return
    for path, definitions in fresh.items():
        path.write_text(kubernetes_schemas.dumped(definitions))
        state = f"{len(stale[path])} definitions changed" if path in stale else "unchanged"
        console.print(f"{path.relative_to(ROOT)}: {len(definitions)} definitions, {state}")


def from_api_server(kubeconfig: Path) -> dict[str, Schema]:
    """The OpenAPI v3 documents of ROOT_KINDS as a running API server serves them."""
    server = ApiServer(kubeconfig)
    paths = server.get_json("/openapi/v3")["paths"]
    documents: dict[str, Schema] = {}
    for api_version in kubernetes_schemas.ROOT_KINDS:
        key = f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"
        if key not in paths:
            raise UserError(f"the API server {server.url} does not serve {api_version}; is it Kubernetes 1.36?")
        documents[api_version] = server.get_json(paths[key]["serverRelativeURL"])
    return documents
