"""The interface to bash, zsh and fish, and the installation of completion. Imported only when needed.

The shell runs `unified` with ``_UNIFIED_COMPLETE`` set to its name and the words as arguments. The output has one candidate per
line, with its description after a tab for shells that show it.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from unified.cli.completion import SHOW, VARIABLE
from unified.cli.completion.candidates import Candidate
from unified.cli.completion.line import complete
from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.base.suggest import did_you_mean
from unified.terminal import line

#: bash splits words at = and : and completes only the text after the last of them, so it passes the line and gets that text back.
#: (No mapfile and no required compopt, since macOS has bash 3.2.)
BASH = """\
_unified_completion() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(_UNIFIED_COMPLETE=bash _UNIFIED_LINE="${COMP_LINE:0:COMP_POINT}" _UNIFIED_BREAKS="$COMP_WORDBREAKS" \\
        "${COMP_WORDS[0]/#\\~/$HOME}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:.,/\\[+] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _unified_completion unified
"""

ZSH = """\
#compdef unified
_unified() {
    local value about
    local -a whole open about_whole about_open
    while IFS=$'\\t' read -r value about; do
        if [[ $value == *[=:.,/\\[+] ]]; then
            open+=("$value") about_open+=("$value${about:+  -- $about}")
        else
            whole+=("$value") about_whole+=("$value${about:+  -- $about}")
        fi
    done < <(_UNIFIED_COMPLETE=zsh "${(Q)words[1]/#\\~/$HOME}" "${(@Q)words[1,CURRENT]}" 2>/dev/null)
    (( $#whole )) && compadd -l -d about_whole -a whole
    (( $#open )) && compadd -l -S '' -d about_open -a open
    return 0
}
if [[ $funcstack[1] == _unified ]]; then
    _unified "$@"
else
    compdef _unified unified
fi
"""

FISH = """\
function __unified_complete
    set -l words (commandline -opc) (commandline -ct)
    env _UNIFIED_COMPLETE=fish $words[1] $words 2>/dev/null
end
complete --command unified --no-files --arguments '(__unified_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def answer(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The lines for the shell: candidates for the word at the cursor.

    Args:
        arguments: The words, the name of the command first; bash passes its line in the environment instead.
        environment: The environment variables.
    """
    shell = environment.get(VARIABLE, "")
    try:
        if shell == "bash":
            words, kept = from_bash(environment.get("_UNIFIED_LINE", ""), environment.get("_UNIFIED_BREAKS", ""))
        else:
            words, kept = list(arguments), 0
            words[-1:] = [word.lstrip("'\"") for word in words[-1:]]  # an open quote
        found = complete(words, len(words) - 1)
    except Exception:  # errors of plugins must not disturb typing
        return ""
    printable = (candidate for candidate in found if line(candidate.value) == candidate.value)
    return "".join(f"{_shown(candidate, kept, shell)}\n" for candidate in printable)


def _shown(candidate: Candidate, kept: int, shell: str) -> str:
    if shell == "bash" or not candidate.help:
        return candidate.value[kept:]
    return f"{candidate.value}\t{line(' '.join(candidate.help.split()))}"


def from_bash(text: str, breaks: str) -> tuple[list[str], int]:
    """The words of a line up to the cursor, and the length of the part of the last word that bash keeps.

    >>> from_bash("unified train --suite dmc:hum", " =:"), from_bash("FLAG=1 unified train ", " =:")
    ((['unified', 'train', '--suite', 'dmc:hum'], 4), (['unified', 'train', ''], 0))
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words += lexer
        open_quote = False
    except ValueError:  # an open quote: the rest is one word
        words.append(lexer.token)
        open_quote = True
    if text[-1:].isspace() and not open_quote:
        words.append("")
    while len(words) > 1 and "=" in words[0]:
        del words[0]
    last = words[-1] if words else ""
    kept = 0 if open_quote else max((last.rfind(sign) + 1 for sign in breaks if not sign.isspace() and sign not in "\"'"), default=0)
    return words, kept


# Setting it up ------------------------------------------------------------------------------------------------------------------


def setup(words: Sequence[str], home: Path | None = None) -> str:
    """Execute ``--install-completion [SHELL]`` or ``--show-completion [SHELL]`` and return the text to print.

    Raises:
        UsageError: If the shell is not supported.
        UnifiedError: If its files cannot be written.
    """
    option, _, value = words[0].partition("=")
    shell = value or (words[1] if len(words) > 1 else "") or _this_shell()
    if shell not in SCRIPTS:
        hint = did_you_mean(shell, SCRIPTS) or f"one of {', '.join(SCRIPTS)}: unified {option} bash"
        raise UsageError(Problem(f"there is no completion for the shell {shell!r}", hint))
    if option == SHOW:
        return SCRIPTS[shell]
    try:
        return install(shell, home or Path.home())
    except OSError as error:
        hint = f"write it to a file yourself: unified {SHOW} {shell}"
        raise UnifiedError(Problem(f"{error.filename} cannot be written: {error.strerror}", hint)) from error


def install(shell: str, home: Path) -> str:
    """Write the script and, once, the line that loads it."""
    script, start, lines = {
        "bash": (home / ".bash_completions" / "unified.sh", home / ".bashrc", ['source "$HOME/.bash_completions/unified.sh"']),
        "zsh": (home / ".zfunc" / "_unified", home / ".zshrc", ["fpath+=~/.zfunc; autoload -Uz compinit; compinit"]),
        "fish": (home / ".config" / "fish" / "completions" / "unified.fish", None, []),
    }[shell]
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(SCRIPTS[shell], encoding="utf-8")
    report = [f"written: {script}"]
    if start is not None:
        before = start.read_text(encoding="utf-8") if start.exists() else ""
        missing = [line for line in lines if line not in before.splitlines()]
        if missing:
            start.write_text(before + ("" if before.endswith("\n") or not before else "\n") + "\n".join(missing) + "\n", encoding="utf-8")
            report.append(f"added to {start}: {' '.join(missing)}")
    report.append("it works in every new shell; to uninstall it, remove these")
    return "\n".join(report) + "\n"


def _this_shell() -> str:
    """The parent shell of this process, else the login shell."""
    try:
        import shellingham

        return str(shellingham.detect_shell()[0])
    except Exception:  # no shell among the parent processes
        return Path(os.environ.get("SHELL", "bash")).name


def main(words: Sequence[str]) -> int:
    """Print completions, or install completion. Returns the exit code."""
    sys.stdout.write(answer(words, os.environ) if VARIABLE in os.environ else setup(words))
    return 0
