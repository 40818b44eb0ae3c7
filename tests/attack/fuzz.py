"""Command lines of right and wrong words: no line ends in a traceback, and none that is refused takes long.

A line holds if it ends with exit code 0 or 2, if it prints no traceback and no control character, and if a refusal costs less than one
second of processor time more than ``unified --version``. Each line is typed in a directory of its own, with a run, odd files and a drawn
recipe. Some lines are not typed to their end: a shell asks for their completion.
"""

from __future__ import annotations

import functools
import json
import os
import random
import re
import resource
import signal
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attack import common

RUN = str(common.RUN)
#: Seconds of processor time after which a child is ended.
LIMIT = 20
#: Seconds of processor time that a refusal may cost more than a line that does nothing.
REFUSAL = 1.0
#: Bidirectional classes of invisible marks that change the order of text.
MARKS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
#: Characters of a word; Linux takes no more than 128 KiB.
LONGEST = 100_000
#: Files of the directory in which a line is typed, beside the run.
FILES = {
    "recipe.yaml": b"agent: dqn\nsuite: gym:CartPole-v1\n",
    "open.yaml": b"agent: [dqn\n",
    "list.yaml": b"- a\n",
    "bomb.yaml": b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n",
    "deep.json": b"[" * 5000 + b"]" * 5000,
    "binary.yaml": bytes(range(256)),
    "empty.yaml": b"",
    "code.py": b"raise SystemExit('code was run')\n",
    "broken.py": b"def f(:\n",
    "table.csv": b"a,b,label\n1,2,0\n3,4,1\n",
    "reference.csv": b"task,frame,mean_return\nCartPole-v1,10,5\n",
    "na\x1b[31mme.yaml": b"agent: dqn\n",
}
REFERENCES = (
    *(RUN, "CartPole-v1", "default/dqn/gym/CartPole-v1/seed-1", "dqn", "runs", "seed-1", "CartPole*", "*", "**", "[", "[a-", "runs/*/*"),
    *("?", ".", "..", "/", "runs/../runs", f"{RUN}/", f"./{RUN}", f"{RUN}/checkpoints", f"{RUN}/config.json", "pipe", "loop", "~"),
    *("~nobody",),
)
VALUES = (
    *("", "0", "1", "-1", "2", "0.5", "1e-3", "1e400", "-1e400", "1e308", "nan", "inf", "-inf", "1e", "0x10", "1_000", "10k", "1M", "٣"),
    *("½",),
    *("99999999999999999999999", "1" * 5000, "null", "none", "None", "true", "True", "yes", "on", "~", "[]", "{}", "[1", "{a", "[[]]"),
    *("a: b",),
    *("'", '"', "'a", "\\", "\\n", "$HOME", "${seed}", "$(id)", "`id`", "%s", "%(a)s", "{}{0}", "{0.__class__}", "!!python/name:os.system"),
    *("&a", "*a", "!!int x", "<<", "#", "a#b", "- a", "? a", "|", ">", "@", "%", ",", ";", "=", "==", ":", "::", "a:b:c", "dmc:", ":x"),
    *("+", "+x"),
    *("os:system", "builtins:exec", "./code.py:Thing", "./broken.py:Thing", "./gone.py:Thing", "code.py", "object:x", "torch.nn:Linear"),
    *("recipe.yaml", "open.yaml", "list.yaml", "bomb.yaml", "deep.json", "binary.yaml", "empty.yaml", "table.csv", "reference.csv", "pipe"),
    *("loop", "folder", "na\x1b[31mme.yaml", "gone/gone.yaml", "/proc/none/x", "../up", "./", "~", "~nobody/x", "x" * 300, "a/" * 2000),
    *("\x1b[31mred", "\x07", "\r", "\n", "\t", "a\nb", "a\r\nb", "\x7f", "\x9b31m", "\u202eabc", "\u2028", "\ufeff", "é", "日本語", "😀"),
    *("e\u0301",),
    *("\udcff", "a\udc80b", "İ", "ß", "ﬁ", "\u200b", "\U0010ffff", "\x01\x02", "x" * 100_000, "[" * 5000, "{" * 5000, "(" * 5000),
    *("-" * 5000,),
    *("[" * 2000 + "]" * 2000, "a." * 3000, "1," * 5000, "gym:CartPole-v1", "gym:Nope-v1", "dmc:cartpole_balance", "digits", "dqn", "mlp"),
)
PIECES = (*"=.:,-+[]{}()'\"\\/ *?&!#%@$~|<>;_", "\x1b[2J", "\n", "\t", "\x08", "é", "😀", "\udc80", "\u202e", "--", "==", "..", "::")
LINES: tuple[tuple[str, ...], ...] = (
    ("train", "--dry-run"),
    ("train", "--dry-run", "--agent", "dqn", "--suite", "gym:CartPole-v1"),
    ("train", "--dry-run", "-a", "sac", "-s", "gym:Pendulum-v1", "-o", "+spr"),
    ("train", "--dry-run", "-a", "ppo", "-s", "dmc:cartpole_balance", "-r", "laptop", "--seed", "1", "-e", "mine"),
    ("train", "--dry-run", "-s", "digits", "-l", "local", "--format", "json"),
    ("train", "--dry-run", "-s", "gym:CartPole-v1", "-s", "digits"),
    ("train", "--dry-run", "-s", "./table.csv"),
    ("train", "--dry-run", "-r", "recipe.yaml"),
    ("train", "--dry-run", "-r", "drawn.yaml"),
    ("train", "--dry-run", "-r", "drawn.yaml", "-a", "dqn"),
    ("resume", RUN),
    ("evaluate", RUN, "--episodes", "1"),
    ("evaluate", RUN, "-n", "1", "-c", "best", "--json"),
    ("play", RUN, "-o", "gone.gif"),
    ("play", "gone", "--fps", "30", "--height", "64"),
    ("plot", RUN),
    ("plot", RUN, "-o", "plot.png", "--x", "frames", "--spread", "sd", "--reference", "reference.csv"),
    ("runs", "list"),
    ("runs", "list", "--json", "--root", "runs"),
    ("runs", "show", RUN),
    ("runs", "show", RUN, "--json"),
    ("plugins", "list"),
    ("plugins", "show", "dqn"),
    ("plugins", "hooks"),
    ("plugins", "hooks", "setup"),
    ("plugins", "new", "mine", "--kind", "agent"),
    ("plugins", "new", "mine", "-k", "suite,callback", "--path", "folder", "--class", "Mine"),
    ("plugins", "check", "mlp"),
    ("plugins", "check", "uniform", "--json"),
    ("doctor", "--quick"),
    ("--version",),
    ("--help",),
    (),
)
OPTIONS = (
    *("--agent", "--suite", "--objective", "--recipe", "--seed", "--experiment", "--launcher", "--format", "-a", "-s", "-o", "-r", "-e"),
    *("-l",),
    *("--episodes", "-n", "-c", "--checkpoint", "--features", "--root", "--json", "--output", "--x", "--spread", "--reference"),
    *("--without",),
    *("--accept-config", "--task", "--strict", "--kind", "--path", "--class", "--quick", "--help", "-h", "--version", "-p", "--no-plugins"),
    *("--trace-hooks", "--trust", "--", "-", "--dry-run", "-p=no:x", "-pno:dqn", "--agent=dqn", "--seed=1", "-aa", "--install-completion"),
)
#: Keys that decide how long a run takes.
BUDGETS = re.compile(r"(frames|updates|epochs|hours|minutes|episodes|max_\w+|num_envs)")


def attack(seed: int, count: int, work: Path) -> Iterator[common.Outcome]:
    """Lines that are drawn from a seed, each in a copy of a directory with a stopped run."""
    common.warm()
    source, usual = common.stopped(work), None
    for name, data in FILES.items():
        (source / name).write_bytes(data)
    (source / "folder").mkdir()
    (source / "loop").symlink_to("loop")
    rng = random.Random(seed)
    for number in range(count or 1000):
        asked = line(rng)
        with common.copied(source, work / "outer" / f"case-{number}") as place:
            os.mkfifo(place / "pipe")
            if usual is None:
                usual = typed(Line(("--version",)), place)[2]
            failure = verdict(*typed(asked, place), usual)
        if outside := [path.name for path in (work / "outer").iterdir()]:
            failure = f"wrote outside of its directory: {outside}"
        yield f"case {number}, {asked!r:.900}", failure


def verdict(status: int, text: str, seconds: float, usual: float) -> str:
    """Why a line does not hold; empty if it does."""
    if "Traceback" in text:
        return f"traceback: {text.strip().splitlines()[-1][:300]}"
    if status == -signal.SIGXCPU:
        return f"more than {LIMIT} s of processor time: {text[-200:]}"
    if status not in (0, 2):
        return f"exit code {status}: {text[-300:]}"
    if status == 2 and "error: " not in text and "Usage: " not in text:
        return f"exit code 2 without an error: {text[-200:]}"
    if control := next((sign for sign in text if _moves(sign)), ""):
        return f"prints {control!r}"
    if status == 2 and seconds - usual > REFUSAL:
        return f"a refusal takes {seconds - usual:.1f} s of processor time"
    return ""


def _moves(sign: str) -> bool:
    """Whether a sign controls a terminal or reverses text."""
    return (unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign not in "\n\t") or unicodedata.bidirectional(sign) in MARKS


def typed(asked: Line, place: Path) -> tuple[int, str, float]:
    """Type a line in a directory: exit code (negative for a signal), what is printed, and seconds of processor time."""
    (place / "drawn.yaml").write_bytes(asked.recipe)
    with tempfile.TemporaryFile() as output:
        words = asked.words if asked.shell in ("", "bash") else ("unified", *asked.words)
        child = common.begun(common.unified(*words, before=functools.partial(_prepare, asked)), place, output.fileno())
        deadline = time.monotonic() + 5 * LIMIT
        while not (ended := os.wait4(child, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.002)
        output.seek(0)
        text = output.read().decode(errors="surrogateescape")
    return os.waitstatus_to_exitcode(ended[1]), text, ended[2].ru_utime + ended[2].ru_stime


def _prepare(asked: Line) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(HOME=os.getcwd(), XDG_CONFIG_HOME=os.getcwd(), COLUMNS="200")
    if asked.shell:
        os.environ["_UNIFIED_COMPLETE"] = asked.shell
    if asked.shell == "bash":
        text = " ".join(("unified", *asked.words))
        os.environ.update(_UNIFIED_LINE=text[:100_000], _UNIFIED_BREAKS=" \t\n\"'><=;|&(:")
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


# Lines ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """What is typed.

    Attributes:
        words: After ``unified``.
        shell: The shell that asks for a completion of the line; empty if the line is run.
        recipe: Content of ``drawn.yaml``.
    """

    words: tuple[str, ...]
    shell: str = ""
    recipe: bytes = b""


@functools.cache
def keys() -> list[str]:
    """Keys of options that exist."""
    from unified.core.config.compose import compose

    found: set[str] = set()
    for agent, suite in (("dqn", "gym:CartPole-v1"), ("sac", "gym:Pendulum-v1"), ("drqv2", "dmc:cartpole_balance"), ("ac2", "digits")):
        found |= {*_flat(compose([f"agent={agent}", f"suite={suite}"]).tree)}
    return sorted(found)


def _flat(tree: Any, prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")


def line(rng: random.Random) -> Line:
    """A command line: a right one, with some words that were changed, added or left out."""
    words = _words(rng)
    shell = rng.choice(("bash", "zsh", "fish", "tcsh")) if rng.random() < 0.15 else ""
    return Line(words, shell, recipe(rng) if "drawn.yaml" in words else b"")


def recipe(rng: random.Random) -> bytes:
    """A recipe of right and wrong keys and values, with some bytes that were changed."""
    pairs = [(rng.choice((rng.choice(keys()), rng.choice(VALUES))), rng.choice(VALUES)) for _ in range(rng.randint(1, 5))]
    if rng.random() < 0.3:
        text = json.dumps(dict(pairs))
    else:
        text = "".join(f"{key}: {value if rng.random() < 0.5 else json.dumps(value)}\n" for key, value in pairs)
    data = bytearray(text.encode(errors="surrogateescape"))
    for _ in range(rng.choice((0, 0, 1, 3))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _words(rng: random.Random) -> tuple[str, ...]:
    words = list(rng.choice(LINES))
    # A training is composed only, whatever the other words are; of the others most have their command.
    composed = words[:2] == ["train", "--dry-run"]
    first = 2 if words[:1] in (["train"], ["runs"], ["plugins"]) else min(1, len(words))
    if not composed and rng.random() < 0.1:
        first = 0
    if composed or (words[:1] in (["resume"], ["plugins"]) and rng.random() < 0.5):
        words += [assignment(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        rng.choice(CHANGES)(rng, words, first)
    if not composed:
        words = ["x" if word == "train" else word for word in words]  # what is left of another line may not train
        if words[:1] in (["resume"], ["evaluate"], ["play"]):
            words = [word for word in words if not ("=" in word and BUDGETS.search(word.partition("=")[0]))]
            words = ["1" if word.isdigit() else word for word in words]
        if "check" in words:  # without a name all components are checked, for minutes
            place = words.index("check") + 1
            if not words[place:] or words[place].startswith("-"):
                words.insert(place, "uniform")
    return tuple(word[:LONGEST] for word in words)


def assignment(rng: random.Random) -> str:
    """``key=value``, both right or wrong."""
    key = rng.choice(keys()) if rng.random() < 0.8 else rng.choice(VALUES)
    if rng.random() < 0.2:
        key = mutated(rng, key)
    return f"{key}={mutated(rng, rng.choice(VALUES)) if rng.random() < 0.2 else rng.choice(VALUES)}"


def mutated(rng: random.Random, word: str) -> str:
    """A word with a typing error, or with something odd in it."""
    place = rng.randint(0, len(word))
    return rng.choice(
        (
            word[:place] + rng.choice(PIECES) + word[place:],
            word[:place] + word[place + 1 :],
            word[: max(place - 1, 0)] + word[place : place + 1] + word[max(place - 1, 0) : place] + word[place + 1 :],
            word[:place],
            word[place:],
            word.upper(),
            word.replace("-", "_"),
            word.replace("e", "é"),
            word * 2,
            (word or "x") * 500,
            f" {word} ",
            f"-{word}",
            f"--{word}",
            f"{word}=",
        )
    )


def _mutate(rng: random.Random, words: list[str], first: int) -> None:
    if len(words) > first:
        place = rng.randrange(first, len(words))
        words[place] = mutated(rng, words[place])


def _replace(rng: random.Random, words: list[str], first: int) -> None:
    if len(words) > first:
        words[rng.randrange(first, len(words))] = rng.choice(rng.choice((REFERENCES, VALUES)))


def _insert(rng: random.Random, words: list[str], first: int) -> None:
    words.insert(rng.randint(first, len(words)), rng.choice(rng.choice((REFERENCES, VALUES, OPTIONS))))


def _option(rng: random.Random, words: list[str], first: int) -> None:
    place = rng.randint(first, len(words))
    words[place:place] = [rng.choice(OPTIONS), rng.choice(rng.choice((REFERENCES, VALUES)))]


def _leave_out(rng: random.Random, words: list[str], first: int) -> None:
    if len(words) > first:
        del words[rng.randrange(first, len(words))]


def _repeat(rng: random.Random, words: list[str], first: int) -> None:
    if len(words) > first:
        words.insert(rng.randint(first, len(words)), rng.choice(words[first:]))


def _exchange(rng: random.Random, words: list[str], first: int) -> None:
    rest = words[first:]
    rng.shuffle(rest)
    words[first:] = rest


CHANGES: tuple[Callable[[random.Random, list[str], int], None], ...] = (
    _mutate,
    _mutate,
    _replace,
    _insert,
    _option,
    _leave_out,
    _repeat,
    _exchange,
)
