"""Sentences of the command line, in the language of the locale."""

from munsit_denoise.errors import DenoiseError, NotMedia
from munsit_denoise.messages import language_of_locale, translate
from munsit_denoise.settings import read_locale

NO_SOUND = "No audio could be found in the file. Choose a recording or a video with sound."


def told(sentence: str) -> str:
    """Return a sentence in the language of the locale. A file name is put in front of it afterwards, not before."""
    return translate(sentence, language_of_locale(read_locale()))


def told_error(error: DenoiseError) -> str:
    """Return the sentence of an error about a file; nothing is sent here, so it asks for another choice."""
    return told(NO_SOUND if str(error) == NotMedia.message else str(error))
