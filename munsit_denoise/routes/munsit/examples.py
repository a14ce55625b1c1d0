"""One job, as it appears in all examples."""

from typing import Any

BASE = "https://denoise.example.org"
JOB = "6f1c2d3e-8a4b-4c5d-9e6f-7a8b9c0d1e2f"
USER = "a2a6df2d-ebf3-409c-9bc2-09102475b6fd"
SECRET = "30bbc83a3eedd47af2b1a40dc6f9dd7e"  # noqa: S105 - of no real server
URL = f"{BASE}/denoising/{USER}/{SECRET}_denoised.wav"
ACCEPTED = {"jobId": JOB, "denoiseId": JOB}
RECORD: dict[str, Any] = {
    "id": JOB,
    "user_id": USER,
    "transaction_id": None,
    "audio_url": URL,
    "original_audio_url": f"{BASE}/denoising/{USER}/{SECRET}_original.mp3",
    "file_name": "interview.mp3",
    "audio_duration": 61.5,
    "audio_size": 984_000,
    "audio_format": "mp3",
    "source_type": "audio",
    "status": "success",
    "error": None,
    "created_at": "2026-05-12T10:14:02.000Z",
    "updated_at": "2026-05-12T10:14:05.321Z",
}
EVENTS = (
    'data: {"stage":"processing","pct":48,"message":"Running noise reduction"}\n\n'
    f'data: {{"stage":"done","url":"{URL}","denoiseId":"{JOB}"}}\n\n'
)
READING = {
    "loudness_lufs": -23.1,
    "true_peak_dbtp": -4.2,
    "noise_floor_db": -41.7,
    "snr_db": 17.4,
    "clipped_samples": 0,
}
REPORT = {
    "duration_s": 61.5,
    "sample_rate_hz": 44_100,
    "channels": 2,
    "before": READING,
    "after": {**READING, "noise_floor_db": -78.0, "snr_db": 52.3},
    "removed_energy_db": -14.6,
    "speech_level_change_db": -0.3,
    "model": {"name": "munsit-denoise", "version": "0.1.0", "sha256": "9f86d081" * 8},
    "options": {"strength": 1.0, "output_format": "wav", "loudness": None, "audio_track": 0},
    "sha256": {"original": "0a1b2c3d" * 8, "result": "4e5f6a7b" * 8},
}
USAGE = {
    "user_id": USER,
    "jobs": {"pending": 1, "success": 40, "failed": 2},
    "minutes_processed": 62.5,
    "minutes_available": None,
    "bytes_stored": 81_264_000,
}
DELIVERY = {
    "id": "msg_5b1f0f3e6d0f4a379d591c1c9a6e5a11",
    "denoise_id": JOB,
    "url": "https://example.org/hooks/denoise",
    "status": "pending",
    "tries": 2,
    "last_status_code": 500,
    "last_error": "The receiver answered 500.",
    "next_try_at": "2026-05-12T10:19:40.000Z",
}
FORM = {"audio": "the bytes of interview.mp3", "strength": 0.8, "keep": "dry-voice", "output_format": "flac"}
SUBMISSION = {"url": "https://example.org/interview.mp3", "strength": 0.8, "output_format": "flac", "loudness": -16}
KEY = {
    "id": "mds_4fT9aK2x",
    "user_id": USER,
    "user": "sara",
    "name": "laptop",
    "scope": "full",
    "created_at": "2026-05-12T10:14:02.000Z",
    "last_used_at": None,
    "expires_at": None,
    "revoked_at": None,
}
