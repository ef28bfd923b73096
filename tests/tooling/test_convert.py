"""`convert`: what becomes of deployments of every kind that it reads, and of values on their way to the operator."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.chart import kubeschema
from hack.chart.renderer import Renderer
from hack.chart.scenarios import NAMED, Scenario
from hack.convert import flags, judge, outward, shell
from hack.convert.notes import CannotConvertError, Notes
from hack.verbs import convert as verb
from hack.verbs.cli import run

DATA = Path(__file__).parent / "data" / "convert"
ENGINE = (DATA / "a4x-engine.yaml").read_text()
A4X_FILES = {"prefill_serving_config": ENGINE, "decode_serving_config": ENGINE}


@pytest.fixture(autouse=True)
def _helm_that_stays(monkeypatch: pytest.MonkeyPatch, render_fast: Renderer) -> None:
    """Helm's own engine in one process; test_the_command_line asks the binary."""
    monkeypatch.setattr(judge, "refused", lambda values: render_fast(values).error)


def converted(name: str, files: dict[str, str] | None = None, hardware: str = "", **settings: str) -> tuple[Any, Notes]:
    """The values of an input, which the chart accepts."""
    made, notes, problems = verb.inward(DATA / name, "", settings, files or {}, hardware)
    assert problems == []
    return made, notes


def said(notes: Notes, kind: str) -> str:
    return "\n".join(f"{note.where}: {note.text}" for note in notes.of(kind))


def test_v1alpha1_on_vllm() -> None:
    made, notes = converted("alpha-vllm.yaml")
    assert made["global"]["model"] == {
        "name": "Qwen/Qwen3-32B-FP8",
        "sizeGiB": 33,
        "source": {
            "type": "huggingface",
            "huggingface": {"tokenSecret": {"name": "hf-token-secret"}, "cache": {"claimName": "weights"}},
        },
    }
    assert made["global"]["engine"] == {"name": "vllm", "args": {"max-model-len": 16384}}
    assert made["global"]["env"] == {"NCCL_DEBUG": "WARN"}
    assert made["global"]["kvCache"] == {"blockSize": 64}
    assert made["global"]["router"] == {"mode": "kv"}
    assert made["frontend"] == {"replicas": 2, "rejection": {"kvUsagePercent": 90}}
    assert (made["prefill"]["replicas"], made["prefill"]["parallelism"]) == (3, {"tensor": 2})
    assert made["prefill"]["engineArgs"] == {"hf-overrides": {"a": {"b": 1}}}
    assert made["prefill"]["rdma"] == {"extendedResources": {"rdma/ib": 2}}
    assert made["decode"]["engineArgs"] == {"enable-prefix-caching": False}
    assert "--is-prefill-worker: left out, vLLM 0.31.0 has it no more" in said(notes, "change")
    for lost in ("Planner", "Job fetch", "privileged", "ulimit -l unlimited"):
        assert lost in said(notes, "loss")


def test_text_that_yaml_1_1_takes_for_something_else_stays_text() -> None:
    made, _ = converted("alpha-vllm.yaml")
    assert made["prefill"]["env"] == {"UCX_MEMTYPE_CACHE": "n"}
    assert 'UCX_MEMTYPE_CACHE: "n"' in judge.dumped(made)


def test_v1beta1_on_sglang_over_several_nodes() -> None:
    made, notes = converted("beta-sglang.yaml")
    assert made["global"]["model"]["source"] == {
        "type": "pvc",
        "pvc": {"claimName": "weights", "path": "deepseek-ai/DeepSeek-R1"},
    }
    assert made["global"]["hardwareSpec"] == {"gpusPerNode": 4, "arch": "arm64"}
    # SGLang's own default, where the chart's is another.
    assert made["global"]["kvTransfer"] == {"connector": "mooncake"}
    assert made["global"]["imagePullSecrets"] == ["pull"]
    assert made["prefill"]["engineArgs"] == {"cuda-graph-bs-decode": [1, 2, 4]}
    assert made["prefill"]["probes"]["startup"] == {"budgetSeconds": 1200}
    assert made["decode"]["probes"]["startup"] == {"budgetSeconds": 7200}
    assert made["prefill"]["podAnnotations"] == {"example.com/team": "llm"}
    assert "an init container that stays" in said(notes, "change")
    assert [each["restartPolicy"] for each in made["prefill"]["initContainers"]] == ["Always"]
    assert "registry.example.com/dynamo:mine" in said(notes, "doubt")


def test_settings_of_tensorrt_llm_come_from_their_config_map() -> None:
    made, _ = converted("alpha-trtllm.yaml")
    assert made["global"]["serving"] == "aggregated"
    assert made["decode"]["parallelism"] == {"tensor": 4, "data": 4, "expert": 4}
    assert made["decode"]["engineArgs"] == {
        "max-batch-size": 32,
        "free-gpu-memory-fraction": 0.8,
        "trtllm.cuda_graph_config": None,
        "trtllm.kv_cache_config": {"dtype": "fp8"},
    }
    assert "volumes" not in made["decode"]


def test_encoders_on_vllm() -> None:
    made, notes = converted("encoders-vllm.yaml")
    assert made["global"]["serving"] == "aggregated"
    mode = {"DYN_VLLM_EMBEDDING_TRANSFER_MODE": "nixl-write"}
    encode = {key: made["encode"][key] for key in ("replicas", "engineArgs", "env")}
    assert encode == {"replicas": 2, "engineArgs": {"enforce-eager": True}, "env": mode}
    decode = {key: made["decode"][key] for key in ("replicas", "engineArgs", "env")}
    flags_of_decode = {"max-model-len": 8192, "multimodal-embedding-cache-capacity-gb": 4}
    assert decode == {"replicas": 3, "engineArgs": flags_of_decode, "env": mode}
    assert "--gpu-memory-utilization: left out: an encoder is one process on one GPU" in said(notes, "change")
    assert "vllm" not in said(notes, "loss").lower()


@pytest.mark.parametrize("mode", ["agg", "prefill"])
def test_encoders_there_and_back(tmp_path: Path, mode: str) -> None:
    values = {
        "global": {
            "serving": "aggregated" if mode == "agg" else "disaggregated",
            "model": {"name": "Qwen/Qwen3-VL-4B-Instruct", "sizeGiB": 9},
        },
        "encode": {"replicas": 2, "engineArgs": {"enforce-eager": True}},
        "decode": {"replicas": 3},
    }
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    documents, _, problems = outward.deployment(file, "demo")
    assert problems == []
    types = {part["name"]: part["type"] for part in documents[-1]["spec"]["components"]}
    roles = {"decode": "worker"} if mode == "agg" else {"prefill": "prefill", "decode": "decode"}
    assert types == {"frontend": "frontend", **roles, "encode": "worker"}
    there = tmp_path / "deployment.yaml"
    there.write_text(yaml.safe_dump_all(documents))
    back, _, left = verb.inward(there, "", {}, {}, "")
    assert left == []
    assert back["encode"]["replicas"] == 2
    assert back["encode"]["engineArgs"] == {"enforce-eager": True}
    assert ("prefill" in back) is (mode == "prefill")
    assert not json.dumps(back).count("enable-m"), "what follows from encode.replicas"


def test_the_a4x_recipe() -> None:
    made, notes = converted("a4x-values.yaml", A4X_FILES, "", **{"volumes.gcsfuse.bucketName": "my-bucket"})
    assert made["global"]["hardware"] == "gke-a4x"
    assert made["global"]["model"]["source"] == {
        "type": "gcsfuse",
        "gcsfuse": {"bucket": "my-bucket", "path": "deepseek-ai/DeepSeek-R1"},
    }
    assert made["global"]["kvCache"] == {"blockSize": 64}
    assert made["global"]["engine"]["args"]["cuda-graph-max-bs-decode"] == 512
    # The machine type has UCX_TLS.
    assert made["prefill"]["env"] == {"MC_TE_METRIC": "true"}
    assert made["frontend"] == {"replicas": 3, "service": {"type": "ClusterIP", "port": 8000}}
    assert "takes pages of 32, 64 tokens" in said(notes, "change")


def test_the_tke_chart() -> None:
    made, notes = converted("tke-values.yaml")
    assert made["global"]["hardware"] == "tke-h20-rdma"
    assert made["global"]["colocation"] == {"topologyKey": "kubernetes.io/hostname"}
    assert made["global"]["model"]["source"]["pvc"] == {"claimName": "ai-model", "path": "org/Llama-70B-FP8"}
    assert (made["prefill"]["replicas"], made["decode"]["parallelism"]) == (4, {"tensor": 4})
    assert made["frontend"]["args"]["router-conditional-disagg-config"]["eff_isl_threshold"] == 10
    assert "rdma.hostNetwork" in said(notes, "loss")
    made, _, _ = verb.inward(DATA / "tke-values.yaml", "", {"rdma.enable": "false"}, {}, "")
    assert made["global"]["hardware"] == "tke-h20"
    settings = {"rdma.networkMode": "tke-bridge"}
    made, _, problems = verb.inward(DATA / "tke-values.yaml", "", settings, {}, "")
    annotations = {"tke.cloud.tencent.com/networks": "tke-bridge,tke-rdma-ipvlan"}
    assert (problems, made["global"]["hardwareSpec"]["rdma"]) == ([], {"podAnnotations": annotations})


def test_a_machine_type_takes_the_place_of_what_the_pods_asked_for() -> None:
    made, notes = converted("beta-sglang.yaml", hardware="gke-a4x")
    assert made["global"]["hardware"] == "gke-a4x"
    assert "hardwareSpec" not in made["global"]
    assert "nodeSelector" not in made["prefill"]
    assert "gke-a4x has its own" in said(notes, "change")


def worker(**changes: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "x", "command": ["python3", "-m", "dynamo.vllm"], "args": ["--model", "a/b"]}
    return {"name": "w", "type": "worker", "podTemplate": {"spec": {"containers": [container | changes]}}}


def dgd(*components: dict[str, Any], **spec: Any) -> str:
    document = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "d"},
        "spec": {"components": list(components), **spec},
    }
    return yaml.safe_dump(document)


REFUSED = {
    "placeholder": (dgd(worker(args=["--model", "${MODEL}"])), "which somebody fills in before"),
    "processor": (dgd(worker(args=["--model", "a/b", "--multimodal-processor"])), "a multimodal part that this chart"),
    "another engine's encoder": (
        dgd(worker(command=["python3", "-m", "dynamo.sglang"], args=["--model=a", "--disaggregation-mode=encode"])),
        "it has encoders for dynamo.vllm",
    ),
    "encoders alone": (
        dgd(worker(args=["--model", "a/b", "--disaggregation-mode", "encode"])), "its workers are w (encode)"
    ),
    "two pools of encoders": (
        dgd(*(worker(args=["--model", "a/b", "--multimodal-encode-worker"]) | {"name": n} for n in ("a", "b"))),
        "a and b are two pools of the same role (encode)",
    ),
    "program": (dgd(worker(command=["python3", "mine.py"])), "it runs python3 mine.py"),
    "two pools": (dgd(worker(), worker() | {"name": "v"}), "w and v are two pools of the same role (worker)"),
    "planner": (dgd(worker() | {"type": "planner"}), "no worker of an engine"),
    "patch": (dgd({"name": "w", "type": "worker"}), "it is a patch for another file"),
    "image": (dgd(worker(args=["--model", "/opt/model"])), "it is in the image"),
    "engine file": (
        dgd(worker(command=["python3", "-m", "dynamo.trtllm"], args=["--model=a", "--extra-engine-args", "/e.yaml"])),
        "give it with --set-file /e.yaml=FILE",
    ),
    "template": ("a: {{ .Values.a }}\n  b", "if it is a template, fill it in first"),
    "request": ("kind: DynamoGraphDeploymentRequest", "asks the operator to make a deployment"),
    "kustomization": ("kind: Kustomization", "build it first"),
    "other": ("a: 1", "neither a DynamoGraphDeployment nor"),
    "nothing": ("", "neither a DynamoGraphDeployment nor"),
    "list": ("[1, 2]", "neither a DynamoGraphDeployment nor"),
    "several": (dgd(worker()) + "---\n" + dgd(worker()), "it has 2 of kind DynamoGraphDeployment"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_converted_is_said(name: str, tmp_path: Path) -> None:
    text, says = REFUSED[name]
    file = tmp_path / "in.yaml"
    file.write_text(text)
    with pytest.raises(CannotConvertError) as error:
        verb.inward(file, "", {}, {}, "")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_files_of_the_recipe_are_asked_for() -> None:
    with pytest.raises(CannotConvertError, match="--set-file prefill_serving_config=FILE"):
        verb.inward(DATA / "a4x-values.yaml", "", {}, {}, "")


def test_a_folder_of_aiconfigurator(tmp_path: Path) -> None:
    (tmp_path / "generator_config.yaml").write_text("a: 1")
    with pytest.raises(CannotConvertError, match="left no k8s_deploy"):
        verb.inward(tmp_path, "", {}, {}, "")
    plan = tmp_path / "disagg"
    plan.mkdir()
    (plan / "k8s_deploy.yaml").write_text((DATA / "alpha-vllm.yaml").read_text())
    (plan / "k8s_bench.yaml").write_text("kind: Job")
    made, _, _ = verb.inward(tmp_path, "", {}, {}, "")
    assert made["prefill"]["replicas"] == 3
    (tmp_path / "agg").mkdir()
    (tmp_path / "agg" / "k8s_deploy.yaml").write_text("a: 1")
    with pytest.raises(CannotConvertError, match="2 plans of AIConfigurator"):
        verb.inward(tmp_path, "", {}, {}, "")


def test_what_the_chart_refuses_is_taken_out_and_said(tmp_path: Path) -> None:
    file = tmp_path / "in.yaml"
    part = worker(
        args=["--model", "a/b", "--max-model-lem", "5", "--enforce-eager"],
        env=[{"name": "DYN_NAMESPACE", "value": "x"}, {"name": "API_KEY", "value": "y"}],
    )
    part["podTemplate"]["spec"] |= {"tolerations": "none"}
    file.write_text(dgd(part))
    made, notes, problems = verb.inward(file, "", {}, {}, "")
    assert problems == []
    assert made["decode"]["engineArgs"] == {"enforce-eager": True}
    assert "DYN_NAMESPACE" not in made["decode"].get("env", {})
    everything = said(notes, "loss") + said(notes, "change")
    for name in (
        "decode.engineArgs.max-model-lem",
        "decode.env.DYN_NAMESPACE",
        "decode.tolerations",
    ):
        assert name in everything


def test_a_name_with_a_tag_is_kept_and_its_size_read(tmp_path: Path) -> None:
    file = tmp_path / "in.yaml"
    file.write_text(dgd(worker(args=["--model", "a/b", "--served-model-name", "llama3.1:8b"])))
    made, _, problems = verb.inward(file, "", {}, {}, "")
    model = made["global"]["model"]
    assert (problems, model["name"], model["sizeGiB"]) == ([], "llama3.1:8b", 16)


@pytest.mark.parametrize("text", ["[", "2026-13-01", "*b"])
def test_settings_and_files_that_are_no_yaml_are_named(text: str) -> None:
    with pytest.raises(CannotConvertError, match=r"--set a\.b: not valid YAML: "):
        verb.inward(DATA / "tke-values.yaml", "", {"a.b": text}, {}, "")
    files = {**A4X_FILES, "decode_serving_config": f"a: {text}"}
    with pytest.raises(CannotConvertError, match="decode_serving_config: not valid YAML: "):
        verb.inward(DATA / "a4x-values.yaml", "", {}, files, "")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    output = tmp_path / "out.yaml"
    assert run(["convert", str(DATA / "tke-values.yaml"), "-o", str(output), "--report", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert {note["kind"] for note in report["notes"]} == {"change", "loss", "doubt"}
    assert yaml.safe_load(output.read_text())["global"]["engine"]["name"] == "vllm"
    # Written, and something is left to change: no bucket.
    files = [f"--set-file={role}_serving_config={DATA / 'a4x-engine.yaml'}" for role in ("prefill", "decode")]
    assert run(["convert", str(DATA / "a4x-values.yaml"), *files, "-o", str(output)]) == 3
    assert "weights of type gcsfuse have no bucket" in capsys.readouterr().out
    broken = tmp_path / "in.yaml"
    broken.write_text("a: 1")
    assert run(["convert", str(broken), "--report", "json", "-o", str(output)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["written"]) == (False, False)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("python3 -m dynamo.vllm --model $M --x '{\"a\": 1}' # note", ["--model", "m 1", "--x", '{"a": 1}']),
        ("a=(1 \"$M\")\na+=(2)\nexec python -m dynamo.vllm \"${a[@]}\"", ["1", "m 1", "2"]),
        ("ulimit -l unlimited && X=1 python3 -m dynamo.vllm \\\n  --a \\\n  --b 2>&1 | tee log", ["--a", "--b"]),
        ("python3 -m dynamo.vllm --a ${N:-5} --b \"${M}\"", ["--a", "5", "--b", "m 1"]),
        ("if true; then echo no; fi; python3 -m dynamo.vllm --d $(nproc)", ["--d", shell.COMPUTED]),
        ("python3 -m dynamo.vllm \\ --a 1", ["--a", "1"]),
    ],
)  # fmt: skip
def test_scripts_are_read(script: str, words: list[str]) -> None:
    call = shell.call(["/bin/bash", "-lc"], [script], {"M": "m 1"})
    if "--model $M" in script:
        words = ["--model", "m", "1", *words[2:]]
    assert (call.module, call.words) == ("dynamo.vllm", words)


def test_files_that_a_script_writes_are_read() -> None:
    body = "a: 1\nb:\n  c: 2\n"
    start = "exec python3 -m dynamo.trtllm --extra-engine-args /e/a.yaml"
    script = f"mkdir -p /e\ncat > /e/a.yaml <<'YAML'\n{body}YAML\n{start}"
    call = shell.call(["bash", "-c"], [script], {})
    assert call.files == {"/e/a.yaml": body}
    assert call.words == ["--extra-engine-args", "/e/a.yaml"]


def test_flags_are_read_as_the_program_reads_them() -> None:
    words = ["--tp", "4", "--no-enable-flashinfer-autotune", "--gpu_memory_utilization=0.9", "-O3", "--swap-space", "4"]
    notes = Notes()
    found = flags.parsed("vllm", words[2:], "w", notes).values
    assert found == {"enable-flashinfer-autotune": False, "gpu-memory-utilization": 0.9, "optimization-level": "3"}
    assert "swap-space" in said(notes, "change")
    assert flags.parsed("sglang", words[:2], "w", notes).values == {"tp-size": 4}


@pytest.mark.parametrize("name", ["no-enable-prefix-caching", "no_enable_prefix_caching"])
def test_a_negation_means_the_same_in_a_file(name: str) -> None:
    off: dict[str, Any] = {"enable-prefix-caching": False}
    for value, means in ((True, off), ("true", off), (False, {}), ("false", {})):
        assert flags.of_file("vllm", {name: value}, "w", Notes()).values == means
    for is_set, means in ((True, off), (False, {})):
        assert flags.parsed("vllm", flags.as_words(name, is_set), "w", Notes()).values == means


@pytest.mark.parametrize(
    ("program", "flag", "value", "means"),
    [
        ("vllm", "speculative-config", {"method": "mtp", "on": True, "b": None}, None),
        ("vllm", "speculative-config", None, {}),
        ("vllm", "hf-overrides", {"since": datetime.date(2026, 1, 2)}, {"hf-overrides": {"since": "2026-01-02"}}),
        ("vllm", "cudagraph-capture-sizes", [1, 2], None),
        ("vllm", "kv-cache-dtype-skip-layers", ["0", "a b"], None),
        ("sglang", "cuda-graph-bs-decode", [4], {"cuda-graph-bs-decode": 4}),
        ("vllm", "max-model-len", 5, None),
        ("vllm", "not-yet-known", [{"a": 1}], None),
    ],
)
def test_what_is_no_text_in_a_recipes_file_stays_what_it_is(program: str, flag: str, value: Any, means: Any) -> None:
    found = flags.parsed(program, flags.as_words(flag, value), "w", notes := Notes())
    assert (found.values, notes.entries) == ({flag: value} if means is None else means, [])


def test_a_flag_without_a_value_is_none() -> None:
    assert flags.of_file("sglang", {"quantization": None, "tp-size": 2}, "w", Notes()).values == {"tp-size": 2}


OUT = ("a3u-multi", "a4x-10p8d", "aks-agg")


@pytest.mark.parametrize("scenario", [s for s in NAMED if s.name in OUT], ids=lambda s: s.name)
def test_values_go_to_the_operator(scenario: Scenario) -> None:
    documents, notes, problems = outward.deployment(ROOT / scenario.files[0], "demo")
    assert problems == []
    made = documents[-1]
    assert made["kind"] == "DynamoGraphDeployment"
    components = {part["name"]: part for part in made["spec"]["components"]}
    roles = {"frontend", "decode"} | (
        {"prefill"} if scenario.effective["global"].get("serving") != "aggregated" else set()
    )
    assert components.keys() == roles
    for name, part in components.items():
        main = part["podTemplate"]["spec"]["containers"][0]
        assert main["name"] == "main"
        assert not {e["name"] for e in main.get("env", [])} & {
            "DYN_NAMESPACE",
            "DYN_SYSTEM_PORT",
            "POD_NAME",
            "DYNAMO_RANK",
        }
        assert not set(main.get("args", [])) & {"--node-rank", "--nnodes", "--headless"}
        assert part["replicas"] == scenario.effective[name]["replicas"]
    assert "preStop" in said(notes, "loss")


@pytest.mark.parametrize("name", ["a3u-multi", "a4x-10p8d", "aks-agg-router"])
def test_values_come_back_from_the_operator(name: str, tmp_path: Path) -> None:
    scenario = next(s for s in NAMED if s.name == name)
    documents, _, _ = outward.deployment(ROOT / scenario.files[0], "demo")
    file = tmp_path / "dgd.yaml"
    file.write_text("---\n".join(yaml.safe_dump(document) for document in documents))
    made, _, problems = verb.inward(file, "", {}, {}, "")
    assert problems == []
    there, back = scenario.effective, made
    for role in ("prefill", "decode"):
        if role in back:
            size = {k: v for k, v in there[role]["parallelism"].items() if v > 1}
            assert back[role].get("parallelism", {}) == size
            flags_there = {**there["global"]["engine"].get("args", {}), **there[role].get("engineArgs", {})}
            flags_back = {**back["global"]["engine"].get("args", {}), **back[role].get("engineArgs", {})}
            assert flags_back == flags_there
    assert back["global"]["kvCache"] == there["global"]["kvCache"]
    assert back["global"]["router"]["mode"] == there["global"]["router"]["mode"]
    assert back["global"]["model"]["name"] == there["global"]["model"]["name"]


def test_a_misspelt_field_of_a_deployment_is_found() -> None:
    documents, _, _ = outward.deployment(ROOT / "values" / "aks-agg.yaml", "demo")
    made = documents[-1]
    made["spec"]["components"][0]["replica"] = 1
    assert kubeschema.problems(made)


def test_a_pair_is_the_operators_own(tmp_path: Path) -> None:
    made = []
    for controller in ("lws", "disaggregatedset"):
        file = tmp_path / f"{controller}.yaml"
        pool = "{replicas: 2, parallelism: {tensor: 16}}"
        file.write_text(f"global: {{multiNode: {{controller: {controller}}}}}\ndecode: {pool}\n")
        documents, notes, problems = outward.deployment(file, "demo")
        assert problems == []
        made.append(documents)
    assert made[0] == made[1]
    assert [note.where for note in notes.of("change")][:1] == ["global.multiNode.controller"]


def test_the_operator_runs_no_stateful_sets(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("global: {multiNode: {controller: statefulset}}\ndecode: {parallelism: {tensor: 16}}\n")
    with pytest.raises(UserError, match="convert with lws"):
        outward.deployment(file, "demo")
