"""Packaging, the changelog, versions, and who signs: what needs no registry (the rest: tests/release)."""

import datetime
import json
import os
import re
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.chart import images
from hack.chart.helm import Helm
from hack.release import attestations, changelog, package, signing
from hack.release import publish as release
from hack.release import registry as oci
from hack.release.package import Package
from hack.release.signing import Trust
from hack.verbs import cli
from tests.release import checkout as checkouts

CHART = yaml.safe_load((ROOT / "Chart.yaml").read_text())
VERSION = str(CHART["version"])
SECTION = f"## [{VERSION}]"
# What has the version of something else, and the chart's history. Tests with the chart's own fail with the next one.
OTHERS = re.compile(
    r"CHANGELOG\.md|docs/scenarios/.*|hack/data/go/.*|hack/data/versions\.yaml|.*requirements\.txt|tests/.*"
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the project as it is now."""
    return checkouts.make(tmp_path_factory.mktemp("original") / "checkout")


@pytest.fixture(scope="module")
def built(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Its package."""
    return package.build(tmp_path_factory.mktemp("dist"), root=original)


@pytest.fixture
def checkout(original: Path, built: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that a test may change; its images are taken as known, because finding them takes a second."""
    monkeypatch.setattr(package, "all_images", lambda _chart: list(built.images))
    return shutil.copytree(original, tmp_path / "checkout")


def files(archive: Path) -> dict[str, bytes]:
    """Content by path, without the chart's own folder."""
    with tarfile.open(archive) as content:
        members = {m.name.partition("/")[2]: content.extractfile(m) for m in content}
        return {name: file.read() for name, file in members.items() if file is not None}


def names_version(file: Path) -> bool:
    """Whether a file has the version that the chart has before it is bumped."""
    return re.search(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])", file.read_text(errors="replace")) is not None


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


class TestReproducible:
    def test_again_from_another_clone_at_another_time_and_place(
        self, original: Path, checkout: Path, built: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clone = tmp_path / "clone"
        checkouts.git(tmp_path, "clone", "--quiet", str(original), str(clone))
        for file in clone.rglob("*.yaml"):
            os.utime(file, (0, 0))
            file.chmod(0o600)
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        again = package.build(tmp_path / "dist", root=clone)
        monkeypatch.undo()
        time.tzset()
        assert again.file.read_bytes() == built.file.read_bytes()
        # Helm puts this time into the manifest, so it decides about the digest in the registry.
        assert again.file.stat().st_mtime == built.file.stat().st_mtime == built.timestamp

    def test_time_of_the_commit_or_of_the_environment(
        self, checkout: Path, built: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert str(built.timestamp) == checkouts.git(checkout, "log", "-1", "--format=%ct")
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        assert package.build(tmp_path, root=checkout).timestamp == 1700000000

    def test_members_are_sorted_and_anonymous(self, built: Package) -> None:
        with tarfile.open(built.file) as archive:
            members = archive.getmembers()
        assert [m.name for m in members] == sorted(m.name for m in members)
        assert {(m.uid, m.gid, m.uname, m.gname, m.mode, m.mtime) for m in members} == {
            (0, 0, "", "", 0o644, built.timestamp)
        }


class TestContents:
    def test_exactly_what_helm_takes_from_git(self, checkout: Path, built: Package, tmp_path: Path) -> None:
        """.helmignore and hack/release/package.py agree, so a chart installed from git is the published one."""
        Helm().run("package", str(checkout), "--destination", str(tmp_path))
        ours, helms = files(built.file), files(tmp_path / f"{CHART['name']}-{VERSION}.tgz")
        assert sorted(ours) == sorted(helms)
        assert [name for name in ours if name != "Chart.yaml" and ours[name] != helms[name]] == []

    def test_holds_what_a_user_needs_and_is_small(self, built: Package) -> None:
        content = files(built.file)
        scenarios = {str(f.relative_to(ROOT)) for f in (ROOT / "values").rglob("*.yaml")}
        assert scenarios | {"values.schema.json", "README.md", "LICENSE", "templates/NOTES.txt"} <= content.keys()
        assert built.file.stat().st_size < package.MAX_BYTES
        assert not [n for n in content if n.startswith(("tests/", "docs/", "hack/", "schemas/", "."))]

    def test_a_file_no_rule_knows_stops_it(self, checkout: Path, tmp_path: Path) -> None:
        (checkout / "templates" / "notes.bak").write_text("")
        checkouts.commit(checkout, "backup")
        with pytest.raises(UserError, match=r"no rule lets templates/notes\.bak into the package"):
            package.build(tmp_path / "dist", root=checkout)
        assert not (tmp_path / "dist").exists()

    def test_too_big(self, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(package, "MAX_BYTES", 1000)
        with pytest.raises(UserError, match=r"the package has \d+ bytes, the limit is 1000"):
            package.build(tmp_path / "dist", root=checkout)
        assert not (tmp_path / "dist").exists()

    def test_a_chart_that_helm_refuses(self, checkout: Path, tmp_path: Path) -> None:
        replace(checkout / "Chart.yaml", "apiVersion: v2", "apiVersion: v9")
        checkouts.commit(checkout, "broken")
        with pytest.raises(UserError, match="helm package: "):
            package.build(tmp_path / "dist", root=checkout)
        assert not (tmp_path / "dist").exists()


class TestAnnotations:
    @pytest.fixture
    def found(self, built: Package) -> dict[str, Any]:
        annotations = yaml.safe_load(files(built.file)["Chart.yaml"])["annotations"]
        return {k.removeprefix("artifacthub.io/"): yaml.safe_load(v) for k, v in annotations.items()}

    def test_images_of_every_scenario_and_subchart(self, found: dict[str, Any]) -> None:
        listed = {entry["image"] for entry in found["images"]}
        scenario = images.needed([ROOT / "values" / "a3u-multi.yaml"])
        assert set(scenario) <= listed
        assert {entry["name"] for entry in found["images"]} >= {"etcd", "nats", "vllm-runtime"}
        assert not [image for image in listed if image.startswith("dynamo-disagg/")], "an image of the tests"

    def test_changes_are_the_changelogs(self, found: dict[str, Any]) -> None:
        entries = changelog.changes(VERSION, (ROOT / "CHANGELOG.md").read_text())
        assert found["changes"] == [{"kind": e.kind, "description": e.description} for e in entries]

    def test_the_rest(self, found: dict[str, Any]) -> None:
        assert found["license"] == "Apache-2.0"
        assert [crd["kind"] for crd in found["crds"]] == ["DynamoWorkerMetadata"]
        assert all(crd[key] for crd in found["crds"] for key in ("version", "name", "displayName", "description"))
        assert found["prerelease"] is False
        assert found["containsSecurityUpdates"] is False

    def test_prerelease_and_security(self) -> None:
        result = package.computed_annotations("1.0.0-rc.1", [changelog.Change("security", "x")], [], [])
        assert result["artifacthub.io/prerelease"] == "true"
        assert result["artifacthub.io/containsSecurityUpdates"] == "true"

    def test_git_has_none_of_them(self) -> None:
        assert set(CHART["annotations"]) == {"artifacthub.io/license", "artifacthub.io/category"}


class TestRefusals:
    @pytest.mark.parametrize("name", ["values.yaml", "templates/new.yaml"], ids=["changed", "untracked"])
    def test_dirty_tree(self, checkout: Path, tmp_path: Path, name: str) -> None:
        with (checkout / name).open("a") as file:
            file.write("# dirty\n")
        with pytest.raises(UserError, match=rf"1 files differ from the commit:\n.*{name}\n.*--allow-dirty"):
            package.build(tmp_path / "dist", root=checkout)
        made = package.build(tmp_path / "dist", root=checkout, allow_dirty=True)
        assert b"# dirty" in files(made.file)[name]

    def test_no_checkout(self, checkout: Path, tmp_path: Path) -> None:
        shutil.rmtree(checkout / ".git")
        with pytest.raises(UserError, match=r"git status --porcelain: .*not a git repository"):
            package.build(tmp_path / "dist", root=checkout)

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            ("charts/decode/Chart.yaml", "charts/decode has 9.9.9"),
            ("Chart.yaml", r"dependency common has 9\.9\.9"),
            ("Chart.lock", r"Chart\.lock common has 9\.9\.9"),
        ],
    )
    def test_versions_that_differ(self, checkout: Path, tmp_path: Path, file: str, message: str) -> None:
        old = f"name: common, version: {VERSION}" if file == "Chart.yaml" else f"version: {VERSION}"
        replace(checkout / file, old, old.replace(VERSION, "9.9.9"))
        with pytest.raises(UserError, match=f"{message}.*: run `python3 -m hack release bump {VERSION}`"):
            package.build(tmp_path, root=checkout, allow_dirty=True)

    def test_a_tag_of_another_version(self, checkout: Path) -> None:
        release.check_git_tag(checkout, VERSION)
        checkouts.git(checkout, "tag", "v9.9.9")
        with pytest.raises(UserError, match=rf"this commit has the tag v9\.9\.9, but Chart\.yaml says {VERSION}"):
            release.check_git_tag(checkout, VERSION)
        checkouts.git(checkout, "tag", f"v{VERSION}")
        release.check_git_tag(checkout, VERSION)


class TestChangelog:
    TEXT = (
        "# Changelog\n\n## [Unreleased]\n\n## [1.0.0] - 2026-01-02\n\n### Fixed\n\n"
        "- One\n  thing.\n- Two.\n\n[1.0.0]: x\n"
    )

    def test_entries(self) -> None:
        assert changelog.changes("1.0.0", self.TEXT) == [
            changelog.Change("fixed", "One thing."),
            changelog.Change("fixed", "Two."),
        ]

    @pytest.mark.parametrize(
        ("version", "old", "new", "message"),
        [
            ("2.0.0", "", "", r'no section "## \[2\.0\.0\] - <date>" \(it has: Unreleased, 1\.0\.0\)'),
            ("1.0.0", "2026-01-02", "2026-13-02", "has the date 2026-13-02: write"),
            ("1.0.0", " - 2026-01-02", "", "has the date None: write"),
            ("1.0.0", "### Fixed", "### Improved", 'has a group "improved": use one of added'),
            ("1.0.0", "- One", "One", 'a line that is no entry of a group: "One"'),
            ("1.0.0", "- One\n  thing.\n- Two.\n", "", r"says nothing under \[1\.0\.0\]"),
        ],
    )
    def test_mistakes(self, version: str, old: str, new: str, message: str) -> None:
        with pytest.raises(UserError, match=message):
            changelog.changes(version, self.TEXT.replace(old, new))

    def test_of_this_project(self) -> None:
        text = (ROOT / "CHANGELOG.md").read_text()
        assert changelog.changes(VERSION, text)
        assert text.index(changelog.UNRELEASED) < text.index(SECTION)


class TestBump:
    @pytest.fixture
    def ready(self, checkout: Path) -> Path:
        """A checkout with something unreleased."""
        replace(checkout / "CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n### Added\n\n- Something.\n")
        return checkout

    def test_writes_the_version_everywhere(self, ready: Path, tmp_path: Path) -> None:
        changed = release.bump("0.9.0-rc.1", root=ready, date=datetime.date(2027, 1, 2))
        assert package.check_versions(ready) == "0.9.0-rc.1"
        assert [
            name for name in package.tracked(ready) if names_version(ready / name) and not OTHERS.fullmatch(name)
        ] == []
        assert "## [Unreleased]\n\n## [0.9.0-rc.1] - 2027-01-02\n\n### Added" in (ready / "CHANGELOG.md").read_text()
        made = package.build(tmp_path, root=ready, allow_dirty=True)
        assert made.file.name == "dynamo-disagg-0.9.0-rc.1.tgz"
        assert f"{checkouts.git(ready, 'status', '--porcelain')}\n".count("\n") == len(changed)

    @pytest.mark.parametrize(
        ("version", "message"),
        [
            ("1.0", "is not a version"),
            ("v1.0.0", "is not a version"),
            ("01.0.0", "is not a version"),
            (VERSION, rf"has a section \[{VERSION}\] already"),
            ("1.0.0", r'UPGRADING\.md has no section "## 1\.x"'),
        ],
    )
    def test_refuses(self, ready: Path, version: str, message: str) -> None:
        before = checkouts.git(ready, "diff")
        with pytest.raises(UserError, match=message):
            release.bump(version, root=ready)
        assert checkouts.git(ready, "diff") == before

    def test_nothing_to_release(self, checkout: Path) -> None:
        file = checkout / "CHANGELOG.md"
        file.write_text(re.sub(r"(## \[Unreleased\]\n).*?(?=## \[)", r"\1\n", file.read_text(), flags=re.DOTALL))
        with pytest.raises(UserError, match="says nothing under"):
            release.bump("0.9.0", root=checkout)


class TestStatements:
    def test_bill_of_materials(self, built: Package) -> None:
        document = attestations.bill_of_materials(built)
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
        assert document == attestations.bill_of_materials(built)
        chart = document["metadata"]["component"]
        assert chart["hashes"] == [{"alg": "SHA-256", "content": built.sha256}]
        containers = {c["bom-ref"] for c in document["components"] if c["type"] == "container"}
        assert containers == {f"image/{image}" for image in built.images}

    def test_an_image_by_digest(self, built: Package) -> None:
        digest = "0123456789abcdef" * 4
        pinned = Package(**{**vars(built), "images": (f"nvcr.io/a/b@sha256:{digest}",)})
        (container,) = (c for c in attestations.bill_of_materials(pinned)["components"] if c["type"] == "container")
        assert container["hashes"] == [{"alg": "SHA-256", "content": digest}]
        assert container["purl"] == f"pkg:oci/b@sha256:{digest}?repository_url=nvcr.io/a/b"

    @pytest.mark.parametrize(
        ("origin", "public"),
        [
            ("https://github.com/acme/chart.git", "https://github.com/acme/chart.git"),
            ("https://user:token@github.com/acme/chart.git", "https://github.com/acme/chart.git"),
            ("git@github.com:acme/chart.git", "ssh://github.com/acme/chart.git"),
            ("/home/me/chart", ""),
            ("file:///home/me/chart", ""),
            ("", ""),
        ],
    )
    def test_origin_tells_no_secrets(self, origin: str, public: str) -> None:
        assert attestations.public_origin(origin) == public

    @pytest.mark.parametrize(
        ("environment", "builder"),
        [
            ({}, attestations.LOCAL_BUILDER),
            (
                {
                    "GITHUB_ACTIONS": "true",
                    "GITHUB_SERVER_URL": "https://github.com",
                    "GITHUB_REPOSITORY": "acme/chart",
                    "GITHUB_WORKFLOW_REF": "acme/chart/.github/workflows/release.yml@refs/tags/v1.0.0",
                    "GITHUB_RUN_ID": "7",
                    "GITHUB_RUN_ATTEMPT": "1",
                },
                "https://github.com/acme/chart/.github/workflows/release.yml@refs/tags/v1.0.0",
            ),
        ],
        ids=["local", "github"],
    )
    def test_builder_and_signer_are_the_ci_job(
        self, built: Package, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], builder: str
    ) -> None:
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        statement = attestations.provenance(built, "", {"helm": "4.2.4"})
        assert statement["runDetails"]["builder"]["id"] == builder
        assert statement["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"] == built.commit
        identity, issuer = signing.identity_of_this_job()
        assert identity == (builder if environment else "")
        assert issuer.startswith("https://") == bool(environment)


class TestTrust:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({}, "who signs"),
            ({"identity": "x"}, "who signs"),
            ({"key": "env://K", "identity": "x", "issuer": "y"}, "not both"),
            ({"key": "nowhere.key"}, 'there is no key file "nowhere.key"'),
            ({"identity": "x", "issuer": "y", "transparency_log": False}, "needs a key"),
        ],
    )
    def test_refuses(self, given: dict[str, Any], message: str) -> None:
        with pytest.raises(UserError, match=message):
            Trust(**given)

    def test_arguments(self) -> None:
        key = "awskms:///alias/charts"
        assert Trust(key=key).checking() == ["--key", key]
        assert Trust(key=key, transparency_log=False).checking() == ["--key", key, "--insecure-ignore-tlog"]
        keyless = ["--certificate-identity", "x", "--certificate-oidc-issuer", "y"]
        assert Trust(identity="x", issuer="y").checking() == keyless


class TestMessages:
    @pytest.mark.parametrize(
        ("error", "meaning"),
        [
            ("x: UNAUTHORIZED: authentication required; []", "set REGISTRY_USERNAME and REGISTRY_PASSWORD"),
            ("x: DENIED: requested access to the resource is denied", 'log in with "docker login ghcr.io"'),
            ("x: dial tcp: lookup ghcr.io: no such host", "check the address"),
            ("x: tls: failed to verify certificate: x509: unknown authority", "--ca-file"),
            ("x: http: server gave HTTP response to HTTPS client", "--plain-http"),
        ],
    )
    def test_explained(self, error: str, meaning: str) -> None:
        text = oci.explained(f"2026/11/22 noise\nError: {error}\n", oci.Repository("ghcr.io", "/acme"))
        assert text.startswith(f"ghcr.io/acme: {error}: ")
        assert meaning in text

    def test_a_login_is_added_to_those_of_the_user(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        existing = {"auths": {"nvcr.io": {"auth": "x"}}, "credsStore": "desktop"}
        (tmp_path / "config.json").write_text(json.dumps(existing))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        config = oci.docker_config("ghcr.io", "user", "pass")
        assert config == {
            "auths": {"nvcr.io": {"auth": "x"}, "ghcr.io": {"auth": "dXNlcjpwYXNz"}},
            "credsStore": "desktop",
            "credHelpers": {"ghcr.io": ""},
        }

    def test_logins_that_cannot_be_read_are_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "config.json").write_text("{")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(UserError, match=r"config\.json: not valid JSON: "):
            oci.docker_config("ghcr.io", "user", "pass")


def test_command_package(
    checkout: Path, built: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build: Callable[..., Package] = package.build
    monkeypatch.setattr(package, "build", lambda out, **options: build(out, root=checkout, **options))
    assert cli.run(["release", "package", "--out", str(tmp_path / "out")]) == 0
    assert f"sha256:{built.sha256}" in capsys.readouterr().out
    bom = json.loads((tmp_path / "out" / f"{CHART['name']}-{VERSION}.sbom.json").read_text())
    assert bom["bomFormat"] == "CycloneDX"
