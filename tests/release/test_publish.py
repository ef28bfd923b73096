"""Publishing to a real registry with TLS and basic authentication, and what users do with what was published."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hack.base.log import UserError
from hack.base.paths import ROOT, TOOLS_BIN
from hack.chart.helm import Helm, HelmResult
from hack.release import attestations, package, signing
from hack.release import publish as release
from hack.release import registry as oci
from hack.release.signing import PROVENANCE, SBOM, Trust
from tests.release import checkout as checkouts
from tests.release import registry as registries
from tests.release import stub
from tests.release.checkout import NEXT, VERSION
from tests.release.conftest import KEY_PASSWORD
from tests.release.registry import PASSWORD, USER, Registry

CHART = "dynamo-disagg"

Publish = Callable[..., str]
User = Callable[..., HelmResult]


@dataclass(frozen=True)
class Published:
    """A published chart that tests only look at."""

    url: str
    digest: str
    package: Path
    checkout: Path

    @property
    def tagged(self) -> str:
        """Its URL with the version."""
        return f"{self.url}:{VERSION}"


@pytest.fixture(scope="module")
def published(
    registry: Registry, key_pair: Callable[[str], Path], image_list: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Published:
    """The chart as it is now, published once for all tests that change nothing."""
    folder = tmp_path_factory.mktemp("published")
    root = checkouts.make(folder / "checkout")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_USERNAME", USER)
        patch.setenv("REGISTRY_PASSWORD", PASSWORD)
        patch.setenv("COSIGN_PASSWORD", KEY_PASSWORD)
        patch.setattr(package, "all_images", lambda _chart: image_list)
        trust = Trust(key=str(key_pair("publisher") / "cosign.key"), transparency_log=False)
        url = f"oci://{registry.host}/published"
        digest = release.publish(url, trust, folder, root=root, ca_file=registry.ca_file)
    return Published(f"{url}/{CHART}", digest, folder / f"{CHART}-{VERSION}.tgz", root)


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A path of the registry that belongs to one test."""
    return f"charts/{request.node.name.partition('[')[0].replace('_', '-')}"


@pytest.fixture
def publish(registry: Registry, path: str, checkout: Path, signer: Trust, tmp_path: Path) -> Publish:
    """Publish the test's checkout to its path of the registry; returns the digest."""

    def run(**changed: Any) -> str:
        options: dict[str, Any] = {"root": checkout, "ca_file": registry.ca_file, **changed}
        url = options.pop("url", f"oci://{registry.host}/{path}")
        return release.publish(url, options.pop("trust", signer), tmp_path / "dist", **options)

    return run


@pytest.fixture
def user(registry: Registry, tmp_path: Path) -> User:
    """Helm as a user of the registry runs it: logged in, trusting its certificate."""
    login = ("--ca-file", str(registry.ca_file), "--registry-config", str(tmp_path / "login.json"))

    def run(*arguments: str, name: str = "helm", check: bool = True) -> HelmResult:
        helm = Helm(name)
        helm.run("registry", "login", registry.host, "--username", USER, "--password", PASSWORD, *login)
        return helm.run(*arguments, *login) if check else helm.attempt(*arguments, *login)

    return run


@pytest.fixture
def crane(registry: Registry, tmp_path: Path) -> Callable[..., str]:
    """crane, logged in: what somebody with write access can do to a registry."""
    folder = tmp_path / "crane-login"
    environment = {"DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": str(registry.ca_file), "PATH": "/usr/bin:/bin"}

    def run(*arguments: str) -> str:
        command = [str(TOOLS_BIN / "crane"), *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    folder.mkdir()
    run("auth", "login", registry.host, "--username", USER, "--password", PASSWORD)
    return run


def objects(text: str) -> list[Any]:
    """The rendered objects, without what Helm says about the download."""
    return [item for item in yaml.safe_load_all(text[text.index("---\n") :]) if item]


@pytest.mark.parametrize("name", ["helm", "helm3"])
def test_installs_by_version_and_by_digest(published: Published, user: User, name: str) -> None:
    from_git = objects(Helm(name).run("template", "demo", str(ROOT)).stdout)
    assert objects(user("template", "demo", published.url, "--version", VERSION, name=name).stdout) == from_git
    by_digest = user("template", "demo", f"{published.url}@{published.digest}", name=name)
    assert objects(by_digest.stdout) == from_git


def test_a_user_gets_scenarios_and_documented_values(published: Published, user: User, tmp_path: Path) -> None:
    shown = user("show", "values", published.url, "--version", VERSION).stdout
    assert shown[shown.index("#") :].strip() == (ROOT / "values.yaml").read_text().strip()
    user("pull", published.url, "--version", VERSION, "--untar", "--untardir", str(tmp_path))
    for file in sorted((ROOT / "values").rglob("*.yaml")):
        assert (tmp_path / CHART / file.relative_to(ROOT)).read_bytes() == file.read_bytes()


def test_another_clone_publishes_the_same_digest(
    published: Published, publish: Publish, registry: Registry, path: str, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    checkouts.git(tmp_path, "clone", "--quiet", str(published.checkout), str(clone))
    assert publish(root=clone, url=f"oci://{registry.host}/{path}") == published.digest


def test_signature_and_statements_speak_of_the_chart(published: Published, public: Trust, registry: Registry) -> None:
    facts = release.verify(published.tagged, public, file=published.package, ca_file=registry.ca_file)
    assert facts["reference"].endswith(f"@{published.digest}")
    assert facts["commit"] == checkouts.git(published.checkout, "rev-parse", "HEAD")
    with oci.connect(registry.host, ca_file=registry.ca_file, tools=("crane", "cosign")) as client:
        found = signing.check(client, facts["reference"], public, [SBOM, PROVENANCE])
    (bom,), (provenance,) = found[SBOM], found[PROVENANCE]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom)) is None
    assert {c["name"] for c in bom["components"]} >= {"prefill", "decode", "vllm-runtime", "etcd", "nats"}
    assert provenance["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": facts["commit"]}


def test_published_twice_is_no_error_and_changes_nothing(
    published: Published, publish: Publish, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    before = registry.tags(f"published/{CHART}")
    assert publish(root=published.checkout, url=f"oci://{registry.host}/published") == published.digest
    assert registry.tags(f"published/{CHART}") == before
    assert "published already, with this very content" in capsys.readouterr().out


def test_an_existing_version_is_never_overwritten(
    publish: Publish, checkout: Path, registry: Registry, path: str, crane: Callable[..., str]
) -> None:
    first = publish()
    (checkout / "values.yaml").write_text((checkout / "values.yaml").read_text() + "# changed\n")
    checkouts.commit(checkout, "changed")
    with pytest.raises(UserError, match="exists already, with another content") as refused:
        publish()
    assert "hack release bump" in str(refused.value)
    assert crane("digest", f"{registry.host}/{path}/{CHART}:{VERSION}") == first


def test_two_publishers_at_once_do_not_overwrite_each_other(
    publish: Publish, crane: Callable[..., str], registry: Registry, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"{registry.host}/{path}/{CHART}"
    sign = signing.sign

    def somebody_else_first(client: oci.Client, reference: str, *rest: Any) -> None:
        sign(client, reference, *rest)
        crane("copy", crane("mutate", reference, "--tag", f"{target}:other"), f"{target}:{VERSION}")

    monkeypatch.setattr(signing, "sign", somebody_else_first)
    with pytest.raises(UserError, match="published by somebody else meanwhile"):
        publish()
    assert crane("digest", f"{target}:{VERSION}") == crane("digest", f"{target}:other")


def test_next_version_beside_the_first(publish: Publish, checkout: Path, registry: Registry, path: str) -> None:
    publish()
    text = (checkout / "CHANGELOG.md").read_text()
    (checkout / "CHANGELOG.md").write_text(text.replace("[Unreleased]\n", "[Unreleased]\n\n### Fixed\n\n- A bug.\n", 1))
    release.bump(NEXT, root=checkout)
    checkouts.commit(checkout, NEXT)
    publish()
    assert {VERSION, NEXT} <= set(registry.tags(f"{path}/{CHART}"))


class TestTampering:
    """Somebody with write access to the registry changes the chart."""

    def test_a_moved_tag_fails_verification_and_the_digest_stays_genuine(
        self,
        publish: Publish,
        public: Trust,
        registry: Registry,
        path: str,
        tmp_path: Path,
        user: User,
        crane: Callable[..., str],
    ) -> None:
        digest, url = publish(), f"oci://{registry.host}/{path}/{CHART}"
        user("pull", url, "--version", VERSION, "--untar", "--untardir", str(tmp_path))
        with (tmp_path / CHART / "values.yaml").open("a") as values:
            values.write("# tampered\n")
        Helm().run("package", str(tmp_path / CHART), "--destination", str(tmp_path))
        user("push", str(tmp_path / f"{CHART}-{VERSION}.tgz"), f"oci://{registry.host}/{path}")
        assert crane("digest", f"{registry.host}/{path}/{CHART}:{VERSION}") != digest
        assert "# tampered" in user("show", "values", url, "--version", VERSION).stdout

        with pytest.raises(UserError, match=r"is not what key .* signed: .*Do not install it"):
            release.verify(f"{url}:{VERSION}", public, ca_file=registry.ca_file)
        release.verify(f"{url}@{digest}", public, ca_file=registry.ca_file)
        assert "# tampered" not in user("show", "values", f"{url}@{digest}").stdout
        both = user("show", "values", f"{url}:{VERSION}@{digest}", check=False)
        assert both.code != 0
        assert "digest mismatch" in both.stderr

    def test_a_package_of_ones_own_unmasks_a_replaced_chart(
        self, published: Published, public: Trust, registry: Registry, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.tgz"
        other.write_bytes(b"another chart")
        with pytest.raises(UserError, match=r"holds the chart sha256:\w+, .*other.tgz is sha256"):
            release.verify(published.tagged, public, file=other, ca_file=registry.ca_file)

    def test_changed_bytes_in_the_registry_are_refused_by_helm(
        self, published: Published, registry: Registry, user: User, tmp_path: Path
    ) -> None:
        genuine = published.package.read_bytes()
        blob = registry.blob(f"sha256:{hashlib.sha256(genuine).hexdigest()}")
        try:
            blob.write_bytes(genuine[:-8] + b"tampered")
            refused = user("pull", published.url, "--version", VERSION, "-d", str(tmp_path), check=False)
        finally:
            blob.write_bytes(genuine)
        assert refused.code != 0
        assert not list(tmp_path.glob("*.tgz"))

    def test_another_key_is_refused(
        self, published: Published, key_pair: Callable[[str], Path], registry: Registry
    ) -> None:
        stranger = Trust(key=str(key_pair("stranger") / "cosign.pub"), transparency_log=False)
        with pytest.raises(UserError, match="is not what key"):
            release.verify(published.tagged, stranger, ca_file=registry.ca_file)

    def test_statements_about_another_chart_are_refused(
        self, publish: Publish, registry: Registry, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def about_another(*_: object) -> dict[str, Any]:
            return {"bomFormat": "CycloneDX", "metadata": {"component": {"hashes": [{"content": "0" * 64}]}}}

        monkeypatch.setattr(attestations, "bill_of_materials", about_another)
        with pytest.raises(UserError, match="is not of the chart"):
            publish()
        assert VERSION not in registry.tags(f"{path}/{CHART}")


class TestNothingHalfPublished:
    """What goes wrong on the way leaves no version that could be installed, and one message that says what to do."""

    def test_a_signature_that_fails_leaves_no_version_and_can_be_completed(
        self, publish: Publish, registry: Registry, path: str, monkeypatch: pytest.MonkeyPatch, public: Trust
    ) -> None:
        sign = signing.sign

        def with_a_lost_password(client: oci.Client, *rest: Any) -> None:
            sign(replace(client, env={**client.env, "COSIGN_PASSWORD": "wrong"}), *rest)

        monkeypatch.setattr(signing, "sign", with_a_lost_password)
        with pytest.raises(UserError, match=r"decryption failed[\s\S]*Not published: .*does not exist"):
            publish()
        monkeypatch.setattr(signing, "sign", sign)
        assert VERSION not in registry.tags(f"{path}/{CHART}")
        publish()
        release.verify(f"oci://{registry.host}/{path}/{CHART}:{VERSION}", public, ca_file=registry.ca_file)

    def test_an_attestation_that_fails_leaves_no_version(
        self, publish: Publish, registry: Registry, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attestations, "provenance", lambda *_: {"not": "provenance"})
        with pytest.raises(UserError, match=r"provenance is not of the chart[\s\S]*Not published"):
            publish()
        assert VERSION not in registry.tags(f"{path}/{CHART}")

    def test_a_dirty_tree_and_a_wrong_tag(
        self, publish: Publish, registry: Registry, path: str, checkout: Path
    ) -> None:
        (checkout / "stray").write_text("")
        with pytest.raises(UserError, match=r"1 files differ from the commit:\n.*stray"):
            publish()
        (checkout / "stray").unlink()
        checkouts.git(checkout, "tag", "v9.9.9")
        with pytest.raises(UserError, match=r"this commit has the tag v9\.9\.9"):
            publish()
        assert registry.tags(f"{path}/{CHART}") == []

    @pytest.mark.parametrize(("password", "reason"), [("wrong", "decryption failed"), (None, "inappropriate ioctl")])
    def test_a_key_without_its_password(
        self,
        publish: Publish,
        registry: Registry,
        path: str,
        monkeypatch: pytest.MonkeyPatch,
        password: str | None,
        reason: str,
    ) -> None:
        monkeypatch.delenv("COSIGN_PASSWORD")
        if password is not None:
            monkeypatch.setenv("COSIGN_PASSWORD", password)
        with pytest.raises(UserError, match=f"the key .* cannot be used: .*{reason}.* COSIGN_PASSWORD"):
            publish()
        assert registry.get(f"/v2/{path}/{CHART}/tags/list").status_code == 404, "nothing was pushed"

    @pytest.mark.parametrize(
        ("username", "password", "message"),
        [
            ("", "", r"UNAUTHORIZED.*: set REGISTRY_USERNAME and REGISTRY_PASSWORD"),
            (USER, "wrong", r"UNAUTHORIZED.*: set REGISTRY_USERNAME and REGISTRY_PASSWORD"),
            (USER, "", "REGISTRY_PASSWORD is not set"),
            ("", PASSWORD, "REGISTRY_USERNAME is not set"),
        ],
        ids=["none", "wrong", "no-password", "no-username"],
    )
    def test_credentials(
        self,
        publish: Publish,
        registry: Registry,
        path: str,
        monkeypatch: pytest.MonkeyPatch,
        username: str,
        password: str,
        message: str,
    ) -> None:
        monkeypatch.setenv("REGISTRY_USERNAME", username)
        monkeypatch.setenv("REGISTRY_PASSWORD", password)
        with pytest.raises(UserError, match=message):
            publish()
        assert registry.tags(f"{path}/{CHART}") == []

    def test_login_of_docker_is_used(
        self, publish: Publish, registry: Registry, monkeypatch: pytest.MonkeyPatch, crane: Any, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("REGISTRY_USERNAME")
        monkeypatch.delenv("REGISTRY_PASSWORD")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "crane-login"))
        publish()

    def test_untrusted_certificate(self, publish: Publish) -> None:
        with pytest.raises(UserError, match=r"127.0.0.1:\d+/.* x509: .*: check .*--ca-file"):
            publish(ca_file=None)

    def test_missing_certificate_file(self, publish: Publish, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="there is no such file"):
            publish(ca_file=tmp_path / "nowhere.pem")

    def test_nobody_listens(self, publish: Publish) -> None:
        host = f"127.0.0.1:{registries.free_port('127.0.0.1')}"
        with pytest.raises(UserError, match=f"cannot tell whether .* {host}/.* connection refused: check"):
            publish(url=f"oci://{host}/charts")

    def test_unknown_host(self, publish: Publish) -> None:
        with pytest.raises(UserError, match=r"registry\.invalid/charts/.* no such host: check the address"):
            publish(url="oci://registry.invalid/charts")

    @pytest.mark.parametrize(
        ("status", "ping", "body", "message"),
        [
            (404, 404, "<html>not found</html>", "cannot tell whether .*: check the address"),
            (404, 200, "<html>not found</html>", "cannot tell whether .*: check the address"),
            (200, 200, "<html>welcome</html>", "cannot tell whether .*: check the address"),
            (
                403,
                200,
                '{"errors":[{"code":"DENIED","message":"no"}]}',
                "cannot tell whether .*DENIED.*: set ",
            ),
        ],
        ids=["website", "no-manifests", "welcome-page", "denied"],
    )
    def test_no_guessing_from_other_answers(
        self, publish: Publish, status: int, ping: int, body: str, message: str
    ) -> None:
        with stub.answering(status, body, ping=ping) as host, pytest.raises(UserError, match=message):
            publish(url=f"oci://{host}/charts")

    def test_a_registry_in_trouble(self, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
        # crane tries a 5xx again, for longer than a test should take.
        monkeypatch.setattr(oci, "PROBE_SECONDS", 1.0)
        with stub.answering(503, "") as host, pytest.raises(UserError, match=r"cannot tell whether .* exists"):
            publish(url=f"oci://{host}/charts")

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("https://ghcr.io/acme", "is not the address of an OCI registry"),
            ("ghcr.io/acme/charts:1.0", "is not the address of an OCI registry"),
            ("oci://ghcr.io/Acme", "is not the address of an OCI registry"),
            ("charts", "is not the address of an OCI registry"),
            ("", "is not the address of an OCI registry"),
            ("oci://ghcr.io/acme/dynamo-disagg", 'leave out "/dynamo-disagg"'),
        ],
    )
    def test_wrong_address(self, publish: Publish, url: str, message: str) -> None:
        with pytest.raises(UserError, match=message):
            publish(url=url)


def test_command_line_says_one_thing_and_fails(registry: Registry, public: Trust) -> None:
    reference = f"oci://{registry.host}/charts/none:1.2.3"
    done = cli("verify", reference, "--key", public.key, "--ca-file", str(registry.ca_file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {reference} does not exist\n"


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    """python3 -m hack release, as `make` calls it."""
    command = [sys.executable, "-m", "hack", "release", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
