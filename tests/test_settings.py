"""Settings that cannot be meant are refused with a sentence; what has no effect is told."""

from pathlib import Path

import pytest

from munsit_denoise.db.migrate import upgrade
from munsit_denoise.settings import SettingsError, read_settings, unknown_variables
from tests.live import make_settings

REFUSED = [
    ("HOST", ""),
    ("HOST", " "),
    ("HOST", "127.0.0.1:80"),
    ("HOST", "http://a"),
    ("PUBLIC_URL", "http://"),
    ("PUBLIC_URL", "https:///path"),
    ("PUBLIC_URL", "http://a b"),
    ("PUBLIC_URL", "http://a:b"),
    ("PUBLIC_URL", "http://a?x=1"),
    ("PUBLIC_URL", "http://user@a"),
    ("TRUSTED_PROXIES", "nonsense"),
    ("TRUSTED_PROXIES", "10.0.0.1,10.0.0.0/99"),
    ("ALLOWED_NETWORKS", "nonsense"),
    ("UPLOAD_HOURS", "inf"),
    ("UPLOAD_HOURS", "1e300"),
    ("SSE_PING_S", "nan"),
    ("SSE_RECHECK_S", "1e-9"),
    ("TRANSFER_TIMEOUT_S", "inf"),
    ("MAX_DURATION_MINUTES", "inf"),
    ("MAX_UPLOAD_MB", "99999999999999999999"),
    ("DATA_DIR", ""),
    ("DATA_DIR", "/"),
    ("DATA_DIR", "//"),
    ("DATA_DIR", "/tmp/.."),
    ("STORAGE_URL", "file:///"),
    ("STORAGE_URL", "file:///tmp/.."),
    ("CORS_ORIGINS", "example.org"),
    ("CORS_ORIGINS", "https://"),
    ("CORS_ORIGINS", "https://example.org/"),
    ("CORS_ORIGINS", "https://example.org/path"),
    ("CORS_ORIGINS", "https://example.org:99999"),
    ("CORS_ORIGINS", "https://example.org?x=1"),
    ("CORS_ORIGINS", "https://user@example.org"),
    ("CORS_ORIGINS", "https://a.example b.example"),
    ("CORS_ORIGINS", "https://*.example.org"),
    ("CORS_ORIGINS", "https://example.org, nonsense"),
    ("CORS_ORIGINS", "null"),
    ("RATE_LIMIT_URL", "memory"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("DATABASE_URL", "sqlite:///file:x?mode=memory"),
    ("DATABASE_URL", "sqlite:////var/x.db?timeout=abc"),
    ("DATABASE_URL", "sqlite+pysqlite:////var/x.db"),
    ("DATABASE_URL", "sqlitex:///a"),
    ("DATABASE_URL", "postgresql:"),
    ("DATABASE_URL", "postgresql://user@host:port/name"),
    ("DATABASE_URL", "postgresql://user@[::1/name"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"DENOISE_{name}", value)
    with pytest.raises(SettingsError, match=f"DENOISE_{name}="):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "::1"),
        ("HOST", "my-host.local"),
        ("PUBLIC_URL", "https://example.org:8443/denoise/"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "10.0.0.7, fd00::/8"),
        ("UPLOAD_HOURS", "0"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://Example.org:8443, http://[::1]:3000,capacitor://localhost"),
        ("RATE_LIMIT_URL", "redis://localhost:6379"),
        ("STORAGE_URL", "file:///srv/files"),
    ],
)
def test_what_can_be_meant_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"DENOISE_{name}", value)
    read_settings()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PORT", "abc", "it must be a whole number from 0 to 65535"),
        ("PORT", "70000", "it must be a whole number from 0 to 65535"),
        ("UPLOAD_HOURS", "-1", "it must be a number from 0 to 277777"),
        ("SSE_PING_S", "soon", "it must be a number from 0.01 to 1000000000"),
        ("DEVICE", "tpu", "it must be 'auto', 'cpu' or 'cuda'"),
        ("ADOPT_STORAGE", "perhaps", "it must be true or false"),
    ],
)
def test_a_wrong_value_is_told_with_those_that_are_right(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"DENOISE_{name}", value)
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert str(raised.value) == f"DENOISE_{name}={value!r} is wrong: {told}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://user:swordfish@host/name"),
        ("DATABASE_URL", "postgresql://user:swordfish@host:port/name"),
        ("S3_ENDPOINT", "http://user:swordfish@host"),
        ("RATE_LIMIT_URL", "redis:swordfish@host"),
        ("PUBLIC_URL", "https://user:swordfish@example.org"),
        ("STORAGE_URL", "ftp://user:swordfish@host/recordings"),
    ],
)
def test_a_refusal_contains_no_password(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"DENOISE_{name}", value)
    with pytest.raises(SettingsError, match=f"DENOISE_{name}=") as refused:
        read_settings()
    assert "swordfish" not in str(refused.value)


@pytest.mark.parametrize("folder", ["a%41b", "what?x", "ä #1"])
def test_a_folder_with_characters_that_urls_use_is_that_folder(tmp_path: Path, folder: str) -> None:
    settings = make_settings(tmp_path / folder)
    upgrade(settings.database)
    assert settings.database_path == tmp_path / folder / "denoise.db"
    assert settings.database_path.is_file()
    assert [path.name for path in tmp_path.iterdir()] == [folder]


def test_a_database_away_from_its_recordings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENOISE_DATABASE_URL", "sqlite:////srv/memory-card/x.db")
    with pytest.raises(SettingsError, match="DENOISE_DATA_DIR is not"):
        read_settings()
    monkeypatch.setenv("DENOISE_DATA_DIR", "/srv/denoise")
    assert read_settings().database_path == Path("/srv/memory-card/x.db")


def test_a_variable_without_effect_is_told_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DENOISE_PROT", "80")
    monkeypatch.setenv("DENOISE_PORT", "80")
    (tmp_path / ".env").write_text("DENOISE_XYZZY=1\n")
    assert unknown_variables() == [
        "DENOISE_PROT is no setting and has no effect; did you mean DENOISE_PORT?",
        "DENOISE_XYZZY is no setting and has no effect",
    ]
