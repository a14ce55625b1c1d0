"""Channel layouts, and how to fit channels to a codec with another order or fewer channels.

Layouts are written as in ffmpeg: a name of `ffmpeg -layouts`, or channels with `+` between them. Channels without a
layout are discrete: they have an order but no positions.
"""

import re

STANDARD = {  # by ffmpeg's names
    "mono": "FC",
    "stereo": "FL+FR",
    "2.1": "FL+FR+LFE",
    "3.0": "FL+FR+FC",
    "3.0(back)": "FL+FR+BC",
    "4.0": "FL+FR+FC+BC",
    "quad": "FL+FR+BL+BR",
    "quad(side)": "FL+FR+SL+SR",
    "3.1": "FL+FR+FC+LFE",
    "5.0": "FL+FR+FC+BL+BR",
    "5.0(side)": "FL+FR+FC+SL+SR",
    "4.1": "FL+FR+FC+LFE+BC",
    "5.1": "FL+FR+FC+LFE+BL+BR",
    "5.1(side)": "FL+FR+FC+LFE+SL+SR",
    "6.0": "FL+FR+FC+BC+SL+SR",
    "6.0(front)": "FL+FR+FLC+FRC+SL+SR",
    "3.1.2": "FL+FR+FC+LFE+TFL+TFR",
    "hexagonal": "FL+FR+FC+BL+BR+BC",
    "6.1": "FL+FR+FC+LFE+BC+SL+SR",
    "6.1(back)": "FL+FR+FC+LFE+BL+BR+BC",
    "6.1(front)": "FL+FR+LFE+FLC+FRC+SL+SR",
    "7.0": "FL+FR+FC+BL+BR+SL+SR",
    "7.0(front)": "FL+FR+FC+FLC+FRC+SL+SR",
    "7.1": "FL+FR+FC+LFE+BL+BR+SL+SR",
    "7.1(wide)": "FL+FR+FC+LFE+BL+BR+FLC+FRC",
    "7.1(wide-side)": "FL+FR+FC+LFE+FLC+FRC+SL+SR",
    "5.1.2": "FL+FR+FC+LFE+SL+SR+TFL+TFR",
    "5.1.2(back)": "FL+FR+FC+LFE+BL+BR+TFL+TFR",
    "octagonal": "FL+FR+FC+BL+BR+BC+SL+SR",
    "cube": "FL+FR+BL+BR+TFL+TFR+TBL+TBR",
    "5.1.4": "FL+FR+FC+LFE+SL+SR+TFL+TFR+TBL+TBR",
    "7.1.2": "FL+FR+FC+LFE+BL+BR+SL+SR+TFL+TFR",
    "7.1.4": "FL+FR+FC+LFE+BL+BR+SL+SR+TFL+TFR+TBL+TBR",
    "7.2.3": "FL+FR+FC+LFE+BL+BR+SL+SR+TFL+TFR+TBC+LFE2",
    "9.1.4": "FL+FR+FC+LFE+BL+BR+FLC+FRC+SL+SR+TFL+TFR+TBL+TBR",
    "9.1.6": "FL+FR+FC+LFE+BL+BR+FLC+FRC+SL+SR+TFL+TFR+TBL+TBR+TSL+TSR",
    "hexadecagonal": "FL+FR+FC+BL+BR+BC+SL+SR+TFL+TFC+TFR+TBL+TBC+TBR+WL+WR",
    "downmix": "DL+DR",
    "22.2": "FL+FR+FC+LFE+BL+BR+FLC+FRC+BC+SL+SR+TC+TFL+TFC+TFR+TBL+TBC+TBR+LFE2+TSL+TSR+BFC+BFL+BFR",
}
TWINS = {"SL": "BL", "SR": "BR", "BL": "SL", "BR": "SR"}  # two names for the same pair of loudspeakers
HALF = 0.5**0.5  # of the power
FOLDED = {  # where a missing channel is mixed in, and with which gain (ITU-R BS.775, as in ffmpeg)
    "FC": (("FL", "FR"), HALF),
    "FL": (("FC",), HALF),
    "FR": (("FC",), HALF),
    "BL": (("FL",), HALF),
    "BR": (("FR",), HALF),
    "SL": (("FL",), HALF),
    "SR": (("FR",), HALF),
    "BC": (("BL", "BR"), HALF),
    "FLC": (("FL",), 1.0),
    "FRC": (("FR",), 1.0),
    "WL": (("FL",), 1.0),
    "WR": (("FR",), 1.0),
    "DL": (("FL",), 1.0),
    "DR": (("FR",), 1.0),
    "SDL": (("SL",), 1.0),
    "SDR": (("SR",), 1.0),
    "TSL": (("SL",), HALF),
    "TSR": (("SR",), HALF),
    "TFL": (("FL",), HALF),
    "TFR": (("FR",), HALF),
    "TBL": (("BL",), HALF),
    "TBR": (("BR",), HALF),
    "BFL": (("FL",), HALF),
    "BFR": (("FR",), HALF),
    "TC": (("FC",), HALF),
    "TFC": (("FC",), HALF),
    "TBC": (("BC",), HALF),
    "BFC": (("FC",), HALF),
    "LFE2": (("LFE",), 1.0),
    "LFE": ((), 0.0),
}


def plain_layout(told: str | None) -> str | None:
    """Return a layout that every ffmpeg can read, None if it has no positions: `2 channels (BL+BR)` becomes `BL+BR`."""
    named = re.fullmatch(r"(?:\d+ channels \()?([\w.()+-]+?)\)?", told or "")
    if told in STANDARD:
        return told
    return named[1] if named and set(named[1].split("+")) <= FOLDED.keys() else None


def places(layout: str | None, channels: int) -> tuple[str, ...]:
    """Return the position of each channel, also for unnamed mono and stereo; empty for discrete channels."""
    if layout is None:
        return {1: ("FC",), 2: ("FL", "FR")}.get(channels, ())
    found = tuple(STANDARD.get(layout, layout).split("+"))
    return found if len(found) == channels else ()


def holds(candidate: str, own: tuple[str, ...]) -> bool:
    """Return whether a layout has the same loudspeakers in the same order."""
    theirs = tuple(STANDARD[candidate].split("+"))
    return len(theirs) == len(own) and all(a in (b, TWINS.get(b)) for a, b in zip(theirs, own, strict=True))


def nearest(own: tuple[str, ...], channels: int, candidates: tuple[str, ...]) -> str | None:
    """Return the layout that takes the channels in their order, or None.

    A codec passes only low frequencies in a subwoofer channel, so no other channel may take its place.
    """

    def likeness(candidate: str) -> int:
        theirs = STANDARD[candidate].split("+")
        return sum(a in (b, TWINS.get(b)) + ("LFE",) * (b == "LFE") for a, b in zip(theirs, own, strict=False))

    fitting = [each for each in candidates if _takes(STANDARD[each].split("+"), own, channels)]
    return max(fitting, key=likeness, default=None)


def _takes(theirs: list[str], own: tuple[str, ...], channels: int) -> bool:
    low = [number for number, place in enumerate(theirs) if place == "LFE"]
    return len(theirs) == channels and all(number < len(own) and own[number] == "LFE" for number in low)


def relabelled(layout: str, channels: int) -> str:
    """Return ffmpeg's filter that gives channels another layout without mixing them."""
    return "channelmap=" + "|".join(map(str, range(channels))) + f":{layout}"  # `pan` would mix positions that differ


def folded(own: tuple[str, ...], channels: int, candidates: tuple[str, ...]) -> tuple[int, str]:
    """Return a smaller number of channels and ffmpeg's filter that mixes down to them.

    Channels are mixed into the layout that keeps most of them; discrete channels are averaged.
    """
    if not own:
        return 1, "pan=mono|c0=" + "+".join(f"{1 / channels:.6f}*c{number}" for number in range(channels))

    def kept(candidate: str) -> tuple[int, int]:
        theirs = STANDARD[candidate].split("+")
        return sum(TWINS.get(place, place) in own or place in own for place in theirs), -len(theirs)

    target = max((each for each in candidates if STANDARD[each].count("+") < channels), key=kept)
    theirs = STANDARD[target].split("+")
    gains = [[_gain(place, goal, theirs) for place in own] for goal in theirs]
    loudest = max(1.0, *(sum(row) for row in gains))
    rows = [
        f"c{number}=" + ("+".join(f"{gain / loudest:.6f}*c{i}" for i, gain in enumerate(row) if gain) or "0*c0")
        for number, row in enumerate(gains)
    ]
    return len(theirs), f"pan={target}|" + "|".join(rows)


def _gain(place: str, goal: str, theirs: list[str]) -> float:
    """Return the gain of one position in another, given the positions of the layout."""
    if place in theirs:
        return float(place == goal)
    if TWINS.get(place) in theirs:
        return float(TWINS[place] == goal)
    into, gain = FOLDED[place]
    return gain * sum(_gain(each, goal, theirs) for each in into)
