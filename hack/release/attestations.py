"""What a release says about itself: a bill of materials (CycloneDX) and where it was built (SLSA provenance)."""

import datetime
import json
import os
import re
import uuid
from collections.abc import Mapping
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from hack.release.package import Package, image_name
from hack.release.signing import identity_of_this_job

BUILD_TYPE = "urn:dynamo-disagg:build:helm-package:v1"
LOCAL_BUILDER = "urn:dynamo-disagg:builder:local"


def bill_of_materials(package: Package) -> dict[str, Any]:
    """The chart, its subcharts and every image its scenarios use, as CycloneDX 1.6; equal for equal packages."""
    name, version = str(package.metadata["name"]), package.version
    chart = Component(
        name=name,
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"chart/{name}",
        purl=PackageURL("generic", name=name, version=version),
        description=str(package.metadata["description"]),
        licenses=[DisjunctiveLicense(id=str(package.metadata["annotations"]["artifacthub.io/license"]))],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)],
        properties=[Property(name="helm:appVersion", value=str(package.metadata["appVersion"]))],
    )
    subcharts = [
        Component(
            name=str(d["name"]),
            version=str(d["version"]),
            type=ComponentType.LIBRARY,
            bom_ref=f"subchart/{d['name']}",
            purl=PackageURL("generic", name=f"{name}/{d['name']}", version=str(d["version"])),
        )
        for d in package.metadata["dependencies"]
    ]
    containers = [_container(image) for image in package.images]
    made = datetime.datetime.fromtimestamp(package.timestamp, datetime.UTC)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"sha256:{package.sha256}"),
        components=[*subcharts, *containers],
        metadata=BomMetaData(component=chart, timestamp=made),
    )
    bom.register_dependency(chart, [*subcharts, *containers])
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return document


def _container(image: str) -> Component:
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    qualifiers = {"repository_url": f"{head}{slash}{base}", **({"tag": tag} if tag else {})}
    return Component(
        name=image_name(image),
        version=tag or digest,
        type=ComponentType.CONTAINER,
        bom_ref=f"image/{image}",
        purl=PackageURL("oci", name=base, version=digest or None, qualifiers=qualifiers),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))] if digest else [],
    )


def provenance(package: Package, origin: str, tool_versions: Mapping[str, str]) -> dict[str, Any]:
    """The SLSA 1.0 predicate: from which commit, by which builder and with which tools the package was made.

    `origin` is the URL of the Git remote; one that only this machine knows is left out.
    """
    source = public_origin(origin)
    builder, _ = identity_of_this_job()
    env = os.environ
    run = builder and f"{env['GITHUB_SERVER_URL']}/{env['GITHUB_REPOSITORY']}/actions/runs/{env['GITHUB_RUN_ID']}"
    commit = {"digest": {"gitCommit": package.commit}, "name": "source"}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"command": "make publish", "version": package.version},
            "internalParameters": {"SOURCE_DATE_EPOCH": str(package.timestamp)},
            "resolvedDependencies": [
                {**commit, **({"uri": f"git+{source}"} if source else {})},
                *({"name": name, "annotations": {"version": v}} for name, v in sorted(tool_versions.items())),
            ],
        },
        "runDetails": {
            "builder": {"id": builder or LOCAL_BUILDER},
            "metadata": {
                **({"invocationId": f"{run}/attempts/{env['GITHUB_RUN_ATTEMPT']}"} if run else {}),
                "finishedOn": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "byproducts": [{"name": package.file.name, "digest": {"sha256": package.sha256}}],
        },
    }


def public_origin(origin: str) -> str:
    """A Git remote as an https or ssh URL without credentials, or "" where it is a path of one machine."""
    if match := re.fullmatch(r"[\w.-]+@([\w.-]+):(?!/)(.+)", origin):
        return f"ssh://{match[1]}/{match[2]}"
    if match := re.fullmatch(r"(https|ssh)://(?:[^@/]*@)?(.+)", origin):
        return f"{match[1]}://{match[2]}"
    return ""
