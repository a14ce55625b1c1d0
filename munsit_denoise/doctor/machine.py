"""Checks of the machine: disk space, the port, and contradictory settings."""

import errno
import http.client
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from munsit_denoise.doctor.findings import Finding, doubtful, fine, wrong
from munsit_denoise.settings import Settings, unknown_variables
from munsit_denoise.storage.folders import write_probe

MIB = 2**20
ASK_S = 3
ROOM = (
    "Make room, give it a larger disk, let DENOISE_KEEP_ORIGINALS_DAYS and DENOISE_KEEP_RESULTS_DAYS delete what is "
    "old, or lower DENOISE_DISK_RESERVE_MB."
)
RIGHTS = "Give this user the right to write there; a container needs the folder as a volume."
LOOPBACK = ("0.0.0.0", "::")  # noqa: S104 - addresses for all interfaces, which are probed on the loopback interface


def look_at_disk(settings: Settings) -> Finding:
    """Check that there is more free space than the reserve below which uploads are refused."""
    folders = {settings.data_dir.absolute(), settings.storage_root}
    if not settings.is_cluster:
        folders.add(settings.database_path.parent)
    least = min((_room(folder) for folder in folders), key=lambda room: room[0])
    free_bytes, free_files, folder = least
    if free_bytes < settings.disk_reserve_mb * MIB:
        free, reserve = f"{free_bytes // MIB} MiB", f"{settings.disk_reserve_mb} MiB"
        return wrong(f"{folder} has {free} left, less than the reserve of {reserve}: uploads are refused.", ROOM)
    if not free_files:
        return wrong(f"{folder} has no room for another file, however small.", ROOM)
    for each in (folder for folder in folders if folder.is_dir()):
        try:
            write_probe(each)
        except OSError as error:
            return wrong(
                f"{each} cannot be written to: {error.strerror}.", "Give this user the right to, or mount it so."
            )
    return fine(f"{free_bytes // MIB} MiB are free in {folder}.")


def _room(folder: Path) -> tuple[int, int, Path]:
    """Return free bytes and free inodes for a folder, which need not exist yet."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    counts = os.statvfs(there)
    return shutil.disk_usage(there).free, counts.f_favail if counts.f_files else 1, folder


def look_at_port(settings: Settings) -> Finding:
    """Check that a server answers on the port, or that the port is free."""
    place = f"{settings.host}:{settings.port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            reason = error.strerror or str(error)
            return wrong(f"A server cannot listen on {place}: {reason}.", "Check DENOISE_HOST and DENOISE_PORT.")
        if _is_ours(settings):
            return fine(f"A server answers on {place}.")
        return wrong(f"Another program uses {place}.", "Stop it, or give DENOISE_PORT a free port.")
    return fine(f"{place} is free.")


def _is_ours(settings: Settings) -> bool:
    host = "localhost" if settings.host in LOOPBACK else settings.host
    try:
        with closing(http.client.HTTPConnection(host, settings.port, timeout=ASK_S)) as connection:
            connection.request("GET", "/healthz")
            with connection.getresponse() as answer:
                return answer.read(100) == b'{"status":"ok"}'
    except (OSError, http.client.HTTPException):
        return False


def look_at_settings(settings: Settings) -> Finding:
    """Check for settings that are unknown, contradictory or without effect."""
    unknown = unknown_variables()
    if unknown:
        return wrong(f"{'; '.join(unknown)}.", "Correct the name, or remove the variable.")
    contradictions = list(_contradictions(settings))
    if contradictions:
        return wrong(" ".join(told for told, _ in contradictions), " ".join(todo for _, todo in contradictions))
    if settings.is_cluster and not settings.storage_url.startswith("s3:"):
        return doubtful(
            f"Records are shared, but recordings lie in the folder {settings.storage_root} of this machine.",
            "Workers on other machines need DENOISE_STORAGE_URL=s3://bucket/prefix, or this folder over the network.",
        )
    if settings.trusted_proxies.strip() == "*" and settings.host in LOOPBACK:
        return doubtful(
            "Any client can claim any address: DENOISE_TRUSTED_PROXIES is *.",
            "Set it to the address of the proxy.",
        )
    return fine("All settings are known, and none contradicts another.")


def _contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    store = settings.storage_url.startswith("s3:")
    if settings.s3_endpoint and not store:
        yield (
            "DENOISE_S3_ENDPOINT is set, but recordings lie in a folder.",
            "Set DENOISE_STORAGE_URL=s3://bucket/prefix.",
        )
    if settings.downloads == "presigned" and not store:
        yield "DENOISE_DOWNLOADS is presigned, which a folder cannot do.", "Set DENOISE_DOWNLOADS=proxied."
    if settings.rate_limit and settings.is_cluster and settings.rate_limit_url.startswith("memory:"):
        yield (
            "DENOISE_RATE_LIMIT counts in each web process by itself.",
            "Let DENOISE_RATE_LIMIT_URL name a server that they share, like redis://host:6379.",
        )
    if not settings.rate_limit and not settings.rate_limit_url.startswith("memory:"):
        yield "DENOISE_RATE_LIMIT_URL is set, but nothing is counted.", "Set DENOISE_RATE_LIMIT as well, or neither."
    records_days = settings.keep_records_days
    if records_days and max(settings.keep_originals_days, settings.keep_results_days) > records_days:
        yield (
            f"Files go with their record after DENOISE_KEEP_RECORDS_DAYS={records_days:g}, before their own days.",
            "Raise it above DENOISE_KEEP_ORIGINALS_DAYS and DENOISE_KEEP_RESULTS_DAYS.",
        )
    if settings.public_url.startswith("http:") and settings.cors_origins.startswith("https:"):
        yield (
            "DENOISE_PUBLIC_URL is http, but DENOISE_CORS_ORIGINS names https pages, which may not load from it.",
            "Set DENOISE_PUBLIC_URL to the https address of the proxy.",
        )
