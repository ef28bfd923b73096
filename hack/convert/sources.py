"""What an input is: a DynamoGraphDeployment, AIConfigurator's folder, values of Google's recipes or of TKE's chart."""

from pathlib import Path

import yaml

from hack.base.yamlfile import parse_all
from hack.chart.manifests import merged, nested
from hack.convert import dgd, recipe, tke
from hack.convert.graph import Graph
from hack.convert.notes import CannotConvertError, Notes
from hack.convert.tree import Tree, get, of_yaml

YAML = (".yaml", ".yml")


def read(path: Path, name: str, settings: dict[str, str], files: dict[str, str], notes: Notes) -> Graph:
    """The deployment in a file or folder. `name` chooses among several; `settings` and `files` as for helm."""
    documents = _documents(path, settings, notes)
    found = [d for d in documents if d.get("kind") == dgd.KIND]
    if found:
        return dgd.graph(_chosen(found, name, path), documents, notes)
    for document in documents:
        for key, value in settings.items():
            document.update(merged(document, nested(key, of_yaml(value, f"--set {key}"))))
        if tke.is_values(document):
            return tke.graph(document, notes)
        if recipe.is_values(document):
            return recipe.graph(document, files, notes)
    kinds = sorted({str(d.get("kind")) for d in documents if d.get("kind")})
    what = f"it has {', '.join(kinds)}" if kinds else "it has none of their keys"
    if "DynamoGraphDeploymentRequest" in kinds:
        raise CannotConvertError(
            f"{path}: a DynamoGraphDeploymentRequest asks the operator to make a deployment: convert the "
            f"{dgd.KIND} that it made (kubectl get dgd NAME -o yaml), or AIConfigurator's output"
        )
    if {"Kustomization", "Component"} & set(kinds):
        raise CannotConvertError(
            f"{path}: a kustomization: build it first (kubectl kustomize "
            f"{path if path.is_dir() else path.parent} > built.yaml), then convert that"
        )
    raise CannotConvertError(
        f"{path}: neither a {dgd.KIND} nor AIConfigurator's output nor values of the A3 Ultra, A4X or TKE chart: {what}"
    )


def _chosen(found: list[Tree], name: str, path: Path) -> Tree:
    names = [str(get(d, "metadata", "name", default="unnamed")) for d in found]
    if name:
        if name not in names:
            raise CannotConvertError(f"{path}: no {dgd.KIND} {name} is there, only {', '.join(names)}")
        return found[names.index(name)]
    if len(found) > 1:
        raise CannotConvertError(
            f"{path}: it has {len(found)} of kind {dgd.KIND} ({', '.join(names)}): choose one with --name, or "
            "give one file"
        )
    return found[0]


def _documents(path: Path, settings: dict[str, str], notes: Notes) -> list[Tree]:
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.suffix in YAML and f.is_file())
        deploys = [f for f in files if f.name == "k8s_deploy.yaml"]
        if len(deploys) > 1:
            places = ", ".join(str(f.parent.relative_to(path)) for f in deploys[:6])
            raise CannotConvertError(
                f"{path}: it has {len(deploys)} plans of AIConfigurator ({places}): give one of these folders"
            )
        if deploys:
            # The files beside it are the same settings once more, or a benchmark.
            files = deploys
        elif any(f.name == "generator_config.yaml" for f in files):
            raise CannotConvertError(
                f"{path}: AIConfigurator left no k8s_deploy.yaml there: it also ends with 0 when it wrote none; "
                'look for "Failed to save results" in its log'
            )
        if not files:
            raise CannotConvertError(f"{path}: no YAML file is there")
        return [document for file in files for document in _of_file(file, notes, is_alone=len(files) == 1)]
    return _of_file(path, notes, is_alone=True)


def _of_file(file: Path, notes: Notes, *, is_alone: bool) -> list[Tree]:
    try:
        documents = parse_all(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        says = " ".join(str(error).split())[:200]
        if is_alone:
            raise CannotConvertError(
                f"{file}: not valid YAML ({says}): if it is a template, fill it in first"
            ) from error
        notes.loss(str(file), f"not valid YAML: {says}")
        return []
    found: list[Tree] = []
    for document in documents:
        if isinstance(document, dict):
            items = document.get("items") if document.get("kind") == "List" else None
            found += [d for d in (items if isinstance(items, list) else [document]) if isinstance(d, dict)]
    return found
