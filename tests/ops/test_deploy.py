"""What is shipped for deployments is what its programs take, where they are there to be asked."""

import json
import re
import shutil
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from munsit_denoise.cli import app
from munsit_denoise.routes.metrics import may_read
from munsit_denoise.settings import PREFIX, Settings
from tests.services import new_bucket

ROOT = Path(__file__).parent.parent.parent
DOCS = [*(ROOT / "docs/deploy").glob("*.md"), *(ROOT / "docs/operations").glob("*.md")]
KEYS = {  # of a service, as the Compose specification has them; what is not here is looked up there before it is added
    "image", "build", "command", "entrypoint", "environment", "env_file", "depends_on", "restart", "read_only", "tmpfs",
    "volumes", "cap_drop", "security_opt", "ports", "stop_grace_period", "healthcheck", "profiles", "deploy", "user",
}  # fmt: skip
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def run(*command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def needs(program: str) -> str:
    """Return where a program is, of this environment or the system's; skips the test without it."""
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_the_dockerfile_has_no_finding() -> None:
    run(needs("hadolint"), "Dockerfile")


@pytest.mark.parametrize("name", ["serve", "worker"])
def test_systemd_takes_the_units(tmp_path: Path, name: str) -> None:
    unit = (ROOT / f"deploy/munsit-denoise-{name}.service").read_text()
    assert f"munsit-denoise {name}\n" in unit
    (tmp_path / "unit.service").write_text(unit.replace("/opt/denoise/bin/munsit-denoise", "/bin/true"))
    run(needs("systemd-analyze"), "verify", str(tmp_path / "unit.service"))


def test_nginx_takes_its_site(tmp_path: Path) -> None:
    nginx, openssl = needs("nginx"), needs("openssl")
    key = ("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem"))
    run(
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=a",
        *key,
    )
    site = (ROOT / "deploy/nginx.conf").read_text()
    site = re.sub(r"/\S+/fullchain.pem", str(tmp_path / "cert.pem"), site)
    (tmp_path / "site.conf").write_text(re.sub(r"/\S+/privkey.pem", str(tmp_path / "key.pem"), site))
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {tmp_path}/{name};" for name in names)
    main = (
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {temporary} include site.conf; }}"
    )
    (tmp_path / "main.conf").write_text(main)
    run(nginx, "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "main.conf"))


def test_caddy_takes_its_file() -> None:
    run(needs("caddy"), "validate", "--adapter", "caddyfile", "--config", "deploy/Caddyfile")


def test_the_image_s_script_is_a_shell_script() -> None:
    run("sh", "-n", "scripts/image.sh")


def test_compose_says_what_compose_knows() -> None:
    content = compose()
    assert {key for key in content if not key.startswith("x-")} == {"name", "services", "networks", "volumes"}
    for name, service in content["services"].items():
        assert set(service) <= KEYS, name
        assert "image" in service, name
        named = service.get("depends_on", {})
        conditions = named if isinstance(named, dict) else {each: {"condition": "service_started"} for each in named}
        assert set(conditions) <= set(content["services"]), name
        for waited, each in conditions.items():
            assert each["condition"] in CONDITIONS, name
            assert each["condition"] != "service_healthy" or "healthcheck" in content["services"][waited], waited
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source.startswith("/") or source in content["volumes"] or (ROOT / source).exists(), volume


def test_compose_and_the_image_set_settings_that_exist_and_run_commands_that_exist() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    groups = {group.name for group in app.registered_groups}
    for name, service in compose()["services"].items():
        ours = {key: str(value) for key, value in service.get("environment", {}).items() if key.startswith(PREFIX)}
        assert set(ours) <= known, name
        if service["image"] == "munsit-denoise":
            assert service.get("command", ["serve"])[0] in commands | groups, name
            read = {key.removeprefix(PREFIX).lower(): re.sub(r"\$\{\w+:-(.*?)\}", r"\1", v) for key, v in ours.items()}
            Settings(_env_file=None, **read)  # type: ignore[arg-type]
    image = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(rf"{PREFIX}[A-Z0-9_]+", image)) <= known


def test_compose_lets_prometheus_read_the_metrics_and_trusts_a_proxy_on_the_machine() -> None:
    content = compose()
    (network,) = content["networks"]["default"]["ipam"]["config"]
    environment = content["services"]["web"]["environment"]
    inside = str(ip_network(network["subnet"])[9])
    assert may_read(inside, (environment["DENOISE_METRICS_NETWORKS"],))
    assert environment["DENOISE_TRUSTED_PROXIES"] == network["gateway"]
    assert ip_address(network["gateway"]) in ip_network(network["subnet"])


def test_prometheus_file_is_read() -> None:
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    assert job["dns_sd_configs"][0]["names"] == ["web"]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_pages_name_settings_commands_and_files_that_exist(page: Path) -> None:
    content = page.read_text()
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {"DENOISE_ID", "DENOISE_URL", "DENOISE_API_KEY"}
    assert set(re.findall(rf"\b{PREFIX}[A-Z0-9_]+[A-Z0-9]", content)) <= known
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", content):
        assert (page.parent / link).exists(), link
    for path in re.findall(r"`((?:deploy|scripts|docs)/[\w./-]+)`", content):
        assert (ROOT / path).exists(), path
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    groups = {str(group.name) for group in app.registered_groups}
    for word in re.findall(r"munsit-denoise ((?!and\b|has\b|is\b|server\b)[a-z]+)\b", content):
        assert word in commands | groups | {"on", "in", "with", "of"}, word


def test_the_rule_for_uploads_that_were_cut_is_one_that_stores_take(s3_endpoint: str) -> None:
    import boto3

    rule = json.loads((ROOT / "deploy/lifecycle.json").read_text())
    assert (
        f"```json\n{(ROOT / 'deploy/lifecycle.json').read_text()}```" in (ROOT / "docs/deploy/cluster.md").read_text()
    )
    bucket = new_bucket(s3_endpoint).removeprefix("s3://").partition("/")[0]
    store = boto3.client(
        "s3", endpoint_url=s3_endpoint, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )
    store.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rule)  # the client checks its shape
    (found,) = store.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert found["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert found["Status"] == "Enabled"
