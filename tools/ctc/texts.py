"""Sentences to be read aloud, each as written (for the voice) and as a label (for CTC).

Written sources are Debian packages (fortunes, bible-kjv, wordnet-base, r-cran-janeaustenr); everyday
sentences come from word lists of ours.
Nothing of the course's own data sets is read here.
"""

import random
import re
import subprocess
import zlib
from pathlib import Path

FORTUNES = Path("/usr/share/games/fortunes")
WORDNET = Path("/usr/share/wordnet")
NOVELS = Path("/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
ENGLISH_FILES = [
    "cookie",
    "computers",
    "definitions",
    "education",
    "food",
    "fortunes",
    "humorists",
    "kids",
    "law",
    "linuxcookie",
    "literature",
    "love",
    "magic",
    "medicine",
    "men-women",
    "miscellaneous",
    "news",
    "people",
    "pets",
    "platitudes",
    "politics",
    "pratchett",
    "science",
    "songs-poems",
    "sports",
    "startrek",
    "tao",
    "wisdom",
    "work",
    "zippy",
]
SPOKEN = {"Mr.": "Mister", "Mrs.": "Missus", "Dr.": "Doctor", "St.": "Saint", "&": "and"}
PUNCTUATION = re.compile(r"[.,;:!?…\"“”«»¿¡()\[\]*_—–-]+")


def label(text):
    """The sentence in upper-case letters and apostrophes, one space between words: what CTC has to spell."""
    text = PUNCTUATION.sub(" ", text.replace("’", "'").replace("`", "'"))
    words = (word.strip("'") for word in text.split())
    return " ".join(word for word in words if word).upper()


def sentences(text, shortest=3, longest=17):
    """Sentences of `text` that can be spelled as they are spoken: no digits, symbols or acronyms."""
    for written, spoken in SPOKEN.items():
        text = text.replace(written, spoken)
    text = text.replace("’", "'").replace("`", "'")
    allowed = re.compile(r"[a-zA-Z' .,;:!?…\"“”«»¿¡()—–-]+")
    for sentence in re.split(r"(?<=[.!?…])[\"”»)]*\s+|\n\s*\n|\s--+\s|--+|[\"“”«»();:]", text):
        sentence = " ".join(sentence.split()).strip(" -")
        words = label(sentence).split()
        if not shortest <= len(words) <= longest or not allowed.fullmatch(sentence):
            continue
        if any(len(word) > 18 for word in words) or re.search(
            r"\b[A-Z]{2,}\b|\b[b-hj-zB-HJ-NP-Z]\b(?!')|\.\w", sentence
        ):
            continue
        yield sentence


def english():
    """Sentences of the English fortune files, without attributions."""
    for name in ENGLISH_FILES:
        path = FORTUNES / f"{name}.u8"
        for cookie in path.read_text(encoding="utf-8", errors="ignore").split("\n%"):
            yield from sentences(re.sub(r"\n\s*--.*", "", cookie, flags=re.S))


def bible(verses=1500, seed=0):
    """A sample of clauses of the King James Bible."""
    text = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, text=True).stdout
    text = re.sub(r"^\S+ ", "", text, flags=re.M)
    found = [part for part in sentences(text.replace("\n", "\n\n"))]
    random.Random(seed).shuffle(found)
    yield from found[:verses]


UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def number(value):
    """A whole number below a million in English words."""
    if value < 20:
        return UNITS[value]
    if value < 100:
        return TENS[value // 10 - 2] + (f" {UNITS[value % 10]}" if value % 10 else "")
    if value < 1000:
        return f"{UNITS[value // 100]} hundred" + (f" and {number(value % 100)}" if value % 100 else "")
    return f"{number(value // 1000)} thousand" + (f" {number(value % 1000)}" if value % 1000 else "")


def word_lists():
    """Name -> entries of words.txt."""
    lists, name = {}, ""
    for line in Path(__file__).with_name("words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            lists[name] += line.strip().split("|")
        elif not line.startswith("#"):
            name = line.rstrip(":")
            lists[name] = []
    return lists


PATTERNS = (
    "{person} {past} {thing} {place}.",
    "{time}, {person} {past} {thing}.",
    "{person} {past} {thing} and {past} {thing} {time}.",
    "{name} was {feeling} because {person} {past} {thing}.",
    "Could you please {home} and {home}?",
    "I would like to {bank}, please.",
    "Can you help me {bank} before the end of the month?",
    "It was {weather} and {weather} {place} {time}.",
    "We took {travel} and arrived {place} {time}.",
    "{name} missed {travel} by {n} minutes.",
    "There are {n} {plural} {place}.",
    "The {adjective} {noun} {verb} {time}.",
    "The {noun} of the {adjective} {noun} {verb}.",
    "Is the {noun} more {adjective} than the {noun}?",
    "The total comes to {big} dollars and {n} cents.",
    "Please call {digits} and ask for {name}.",
    "{name} said that {person} had {past} {thing} {place}.",
    "Why are you so {feeling} {time}?",
    "If it is {weather} {time}, {name} will {home}.",
    "Who {past} {thing} {time}?",
    "In {year}, the {adjective} {noun} {verb}.",
    "The meeting on the {ordinal} of {month} starts at {hour} {minute}.",
    "{person} walked {n} miles to see the {adjective} {noun}.",
    "I have never seen such a {adjective} {noun}, said {person}.",
)
PLURALS = [
    "apples",
    "people",
    "houses",
    "letters",
    "bottles",
    "windows",
    "horses",
    "bridges",
    "students",
    "chairs",
    "pages",
    "questions",
    "trees",
    "cars",
]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fifteenth",
    "eighteenth",
    "twentieth",
    "twenty",
    "first",
    "twenty",
    "third",
    "thirtieth",
]


def everyday(count, seed=0):
    """`count` simple modern sentences: household, bank, travel, weather, numbers, dates."""
    rng = random.Random(seed)
    words = word_lists()

    def fill(slot):
        if slot in words:
            return rng.choice(words[slot])
        return {
            "n": lambda: number(rng.choice((rng.randint(2, 20), rng.randint(20, 99)))),
            "big": lambda: number(rng.choice((rng.randint(100, 999), rng.randint(1000, 9999)))),
            "digits": lambda: " ".join(UNITS[rng.randint(0, 9)] for _ in range(rng.randint(4, 7))),
            "plural": lambda: rng.choice(PLURALS),
            "month": lambda: rng.choice(MONTHS),
            "ordinal": lambda: rng.choice(ORDINALS),
            "year": lambda: f"{rng.choice(('eighteen', 'nineteen'))} {number(rng.randint(20, 99))}",
            "hour": lambda: number(rng.randint(1, 12)),
            "minute": lambda: rng.choice(("fifteen", "thirty", "forty five", "o'clock")),
        }[slot]()

    for _ in range(count):
        sentence = re.sub(r"\{(\w+)\}", lambda match: fill(match[1]), rng.choice(PATTERNS))
        yield sentence[0].upper() + sentence[1:]


def collect(count, seed=0):
    """`count` different sentences in a fixed random order: fortunes, everyday ones, some of the Bible."""
    rng = random.Random(seed)
    written = list(dict.fromkeys(english()))
    rng.shuffle(written)
    written = written[: int(0.72 * count)]
    scripture = list(dict.fromkeys(bible(int(0.06 * count), seed)))
    rest = list(everyday(count - len(written) - len(scripture), seed))
    found = list(dict.fromkeys(written + scripture + rest))
    rng.shuffle(found)
    return found[:count]


def examples(seed=0):
    """The sentences that WordNet 3 gives as examples of its words, in a fixed random order."""
    found = []
    for kind in ("adj", "adv", "noun", "verb"):
        for line in (WORDNET / f"data.{kind}").read_text(encoding="utf-8").splitlines():
            for example in re.findall(r'"([^"]+)"', line.partition("|")[2]):
                found += sentences(example)
    found = list(dict.fromkeys(found))
    random.Random(seed).shuffle(found)
    return found


def novels(seed=0):
    """Sentences of Jane Austen's novels in a fixed random order, up to 24 words; one novel is left out.

    Debian's r-cran-janeaustenr keeps each novel as a zlib stream of R after its length, in which a string is
    its type (9, after three bytes of flags), its length and its bytes. The LibriVox clips of the evaluation
    are read from *Sense and Sensibility*, so no sentence of it may train. Raises FileNotFoundError
    without the package.
    """
    if not NOVELS.is_file():
        raise FileNotFoundError(f"There is no {NOVELS}: apt-get install r-cran-janeaustenr")
    data, found = NOVELS.read_bytes(), []
    while data:
        stream = zlib.decompressobj()
        record = stream.decompress(data[4:])
        data = stream.unused_data
        lines, place = [], record.find(b"\0\x04\0\x09")
        while place >= 0:
            begin = place + 8
            end = begin + int.from_bytes(record[place + 4 : begin], "big")
            lines.append(record[begin:end].decode("utf-8"))
            place = record.find(b"\0\x04\0\x09", end)
        if "SENSE AND SENSIBILITY" not in lines[:5]:
            found += sentences("\n".join(lines), longest=24)
    found = list(dict.fromkeys(found))
    random.Random(seed).shuffle(found)
    return found


def mixture(seed=0):
    """What the best voices read: novels, WordNet's examples (the last first) and `collect`, in turn."""
    written = novels(seed), reversed(examples(seed)), collect(24_000, seed)
    return [line for trio in zip(*written, strict=False) for line in trio]
