"""Commands for keys and webhooks, as a person types them."""

from pathlib import Path

from tests.acceptance.test_command_line import run


def test_keys_have_names_scopes_and_ends_and_can_be_replaced(tmp_path: Path) -> None:
    words = ("--user", "sara", "--name", "her phone", "--scope", "read", "--expires", "30d")
    created = run("keys", "create", *words, data=tmp_path).stdout.strip()
    listed = run("keys", "list", data=tmp_path).stdout
    for part in ("read", "sara", "her phone", "valid", "expires: ", "last used: never"):
        assert part in listed
    rotated = run("keys", "rotate", created[:12], "--grace", "0", data=tmp_path).stdout.strip()
    assert rotated.startswith("mds_")
    assert rotated != created
    old, new = run("keys", "list", data=tmp_path).stdout.splitlines()
    assert "expired" in old
    assert "valid" in new
    assert "her phone" in new
    wrong: tuple[tuple[str, ...], ...] = (
        ("rotate", created[:12]),
        ("rotate", "mds_"),
        ("rotate", rotated[:12], "--grace", "long"),
        ("create", "--user", "sara", "--expires", "2001-01-01"),
    )
    for arguments in wrong:
        failed = run("keys", *arguments, data=tmp_path)
        assert failed.exit_code == 1
        assert failed.stderr.startswith("munsit-denoise: ")
    assert len(run("keys", "list", data=tmp_path).stdout.splitlines()) == 2


def test_the_secret_of_webhooks_is_printed_and_replaced(tmp_path: Path) -> None:
    assert run("webhooks", "secret", "--user", "sara", data=tmp_path).exit_code == 1
    run("keys", "create", "--user", "sara", data=tmp_path)
    first, again = (run("webhooks", "secret", "--user", "sara", data=tmp_path).stdout for _ in range(2))
    assert first == again
    assert first.startswith("whsec_")
    assert len(first.split()) == 1
    assert run("webhooks", "secret", "--user", "sara", "--rotate", data=tmp_path).stdout not in ("", first)
    unknown = run("webhooks", "secret", "--user", "nobody", data=tmp_path)
    assert (unknown.exit_code, unknown.stderr) == (
        1, "munsit-denoise: There is no user nobody. `munsit-denoise users list` tells which there are.\n",
    )  # fmt: skip
