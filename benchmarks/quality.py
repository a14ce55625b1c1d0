"""`make bench-quality`: scores through the whole service, next to other denoisers on the same pairs."""

import argparse
import csv
import json
import os
import subprocess
import tempfile
from math import sqrt
from pathlib import Path
from statistics import stdev

import numpy as np
import soundfile

from benchmarks.harness import denoise, serving
from benchmarks.kept import Samples, speech_kept

PEERS = ("none", "noisereduce", "webrtc", "rnnoise", "dfn3")
SHOWN = ("pesq_wb", "stoi", "estoi", "si_sdr", "dns_sig", "dns_bak", "dns_ovrl", "lost_percent")
WIDE = ("si_sdr_48k", "lsd_48k", "lsd_8_24k")  # in the file, but not in the table
MUST_BEAT = {"none", "noisereduce", "webrtc"}
BARS = ("pesq_wb", "estoi", "si_sdr")
BY = (*BARS, "dns_ovrl", "lost_percent")


def main() -> None:
    """Process aligned pairs with all denoisers and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the peers and the scores")
    parser.add_argument("--pairs", type=Path, help="folder with noisy, clean and pairs.csv (default: development)")
    parser.add_argument("--json", type=Path, help="also write the means and each pair's scores here")
    parser.add_argument("--keep", type=Path, help="keep our output in this folder")
    arguments = parser.parse_args()
    os.environ.setdefault("DNSMOS_HOPS", "1")
    folder_of_pairs = arguments.pairs or arguments.shared / "audio" / "dev"
    noisy, target = folder_of_pairs / "noisy", folder_of_pairs / "clean"
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.keep or Path(folder)
        ours, clean = work / "ours", work / "ours_on_clean"
        enhance_with_service(noisy, ours)
        enhance_with_service(target, clean)
        scores = {"ours": score(arguments, target, ours)}
        for peer in PEERS:
            run_peer(arguments, peer, noisy, Path(folder) / peer)
            scores[peer] = score(arguments, target, Path(folder) / peer)
        untouched = score(arguments, target, clean)
    print_table(scores)
    for title, column in (("input SNR", "target_snr_db"), ("source", "source_speech")):
        print_by(title, column, scores, folder_of_pairs / "pairs.csv")
    print_clean(untouched)
    if arguments.json:
        arguments.json.write_text(json.dumps(report(scores, untouched), indent=1) + "\n")


Rows = dict[str, dict[str, float]]  # file: metric: value


def enhance_with_service(source: Path, target: Path) -> None:
    """Send all files of a folder over HTTP and keep the results."""
    target.mkdir(parents=True, exist_ok=True)
    with serving() as server, server.client() as client:
        for path in sorted(source.iterdir()):
            (target / f"{path.stem}.wav").write_bytes(denoise(client, path))


def run_peer(arguments: argparse.Namespace, peer: str, source: Path, target: Path) -> None:
    """Process a folder with another denoiser."""
    script = arguments.shared / "bench" / "run_peer.py"
    subprocess.run([arguments.peers, script, peer, source, target], check=True, stdout=subprocess.DEVNULL)


def score(arguments: argparse.Namespace, clean: Path, enhanced: Path) -> Rows:
    """Return the scores of a folder, by file."""
    rows = _scored(arguments, clean, enhanced)
    for name, row in rows.items():
        row["lost_percent"] = lost_percent(clean / f"{name}.flac", enhanced / f"{name}.wav")
    return rows


def score_alone(arguments: argparse.Namespace, folder: Path) -> Rows:
    """Return the DNSMOS scores of a folder, by file, which need no reference."""
    return _scored(arguments, folder, folder)


def _scored(arguments: argparse.Namespace, clean: Path, enhanced: Path) -> Rows:
    with tempfile.NamedTemporaryFile(suffix=".csv") as table:
        script = arguments.shared / "bench" / "score.py"
        command = [arguments.peers, script, "--clean", clean, "--enhanced", enhanced, "--csv", table.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with Path(table.name).open(newline="") as file:
            return {row.pop("file"): {k: float(v) for k, v in row.items()} for row in csv.DictReader(file)}


def lost_percent(clean: Path, enhanced: Path) -> float:
    """Return the share of speech frames that lost more than 6 dB."""
    (speech, rate_hz), (out, _) = (soundfile.read(path) for path in (clean, enhanced))
    return speech_kept(mono(speech), mono(out)[: len(speech)], rate_hz).lost_percent


def mono(x: Samples) -> Samples:
    """Return the mean of all channels."""
    return x if x.ndim == 1 else np.asarray(x.mean(axis=1))


def mean(rows: Rows, metric: str, names: set[str] | None = None) -> float:
    """Return a metric's mean over files, without invalid values."""
    values = [row[metric] for name, row in rows.items() if names is None or name in names]
    real = [value for value in values if value == value]
    return sum(real) / len(real) if real else float("nan")


def standard_error(ours: Rows, theirs: Rows, metric: str) -> float:
    """Return the standard error of the mean difference over files, without invalid values."""
    return error_of_mean([row[metric] - theirs[name][metric] for name, row in ours.items()])


def error_of_mean(values: list[float]) -> float:
    """Return the standard error of a mean, without NaN."""
    real = [value for value in values if value == value]
    return stdev(real) / sqrt(len(real)) if len(real) > 1 else float("nan")


def print_table(scores: dict[str, Rows]) -> None:
    """Print the means, and our difference to each rival with its standard error."""
    hops = os.environ["DNSMOS_HOPS"]
    print(f"\n{len(scores['ours'])} pairs, HTTP upload to downloaded WAV; DNSMOS_HOPS={hops}")
    print(f"{'':14}" + "".join(f"{metric:>13}" for metric in SHOWN) + "   +- of OVRL")
    for name, rows in scores.items():
        error = error_of_mean([row["dns_ovrl"] for row in rows.values()])
        print(f"{name:14}" + "".join(f"{mean(rows, metric):13.3f}" for metric in SHOWN) + f"{error:13.3f}")
    for name, rows in scores.items():
        if name == "ours":
            continue
        distances = [mean(scores["ours"], metric) - mean(rows, metric) for metric in SHOWN]
        print(f"vs {name:11}" + "".join(f"{distance:+13.3f}" for distance in distances))
        errors = [standard_error(scores["ours"], rows, metric) for metric in SHOWN]
        print(f"{'   +-':14}" + "".join(f"{error:13.3f}" for error in errors))
        if name in MUST_BEAT:
            beaten = all(mean(scores["ours"], metric) > mean(rows, metric) for metric in BARS)
            print(f"   above {name} in PESQ, ESTOI and SI-SDR: {'yes' if beaten else 'NO'}")


def print_by(title: str, column: str, scores: dict[str, Rows], pairs: Path) -> None:
    """Print scores by a column of the list of pairs: the input, ours and DeepFilterNet3."""
    with pairs.open(newline="") as file:
        value_of = {row["id"]: row[column].split(" (")[0] or "real" for row in csv.DictReader(file)}
    print(f"\n{title:40}{'pairs':>6}" + "".join(f"{metric + ' in/ours/dfn3':>28}" for metric in BY))
    for value in sorted(set(value_of.values()), key=_numbers_first):
        names = {name for name in scores["ours"] if value_of.get(name) == value}
        three = [[mean(scores[who], metric, names) for who in ("none", "ours", "dfn3")] for metric in BY]
        print(f"{value[:39]:40}{len(names):6}" + "".join(f"{a:14.2f}{b:7.2f}{c:7.2f}" for a, b, c in three))


def _numbers_first(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def report(scores: dict[str, Rows], untouched: Rows) -> dict[str, object]:
    """Return all means, the standard errors of our differences, and the scores of each pair, for a file."""
    means = {name: {metric: round(mean(rows, metric), 4) for metric in SHOWN + WIDE} for name, rows in scores.items()}
    errors = {
        name: {metric: round(standard_error(scores["ours"], rows, metric), 4) for metric in SHOWN + WIDE}
        for name, rows in scores.items()
        if name != "ours"
    }
    clean = {name: round(row["si_sdr"], 2) for name, row in untouched.items()}
    return {
        "means": means,
        "standard_errors": errors,
        "clean_in_si_sdr_db": clean,
        "clean_in_lost_percent": round(mean(untouched, "lost_percent"), 3),
        "ours": scores["ours"],
        "dfn3": scores["dfn3"],
    }


def print_clean(untouched: Rows) -> None:
    """Print the effect on clean speech."""
    values = sorted((row["si_sdr"], name) for name, row in untouched.items())
    average = sum(value for value, _ in values) / len(values)
    above = sum(value > 20 for value, _ in values)
    print(f"\nclean speech in: SI-SDR of the output, mean {average:.1f} dB, {above} of {len(values)} files above 20 dB")
    print(f"  frames with speech that lost more than 6 dB: {mean(untouched, 'lost_percent'):.2f} %")
    print("  lowest: " + ", ".join(f"{name} {value:.1f}" for value, name in values[:5]))


if __name__ == "__main__":
    main()
