"""``edgeroi completion SHELL``: a script that completes commands, options and files without starting Python."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from edgeroi.cli.options import OutputOption

if TYPE_CHECKING:
    from edgeroi.cli.tree import Branch, Parameter


class Shell(StrEnum):
    """The shells a script can be written for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
    output: OutputOption = None,
) -> None:
    """Print a script that completes commands, options, their values and files. It starts nothing, so it costs nothing at the prompt.

    edgeroi completion bash --output ~/.local/share/bash-completion/completions/edgeroi

    edgeroi completion fish --output ~/.config/fish/completions/edgeroi.fish

    For zsh: write it as _edgeroi into a folder of $fpath. Write it again after an update.
    """
    from edgeroi.cli.output import write_text
    from edgeroi.cli.tree import whole

    write_text("\n".join(_SCRIPTS[shell.value](whole())) + "\n", output)


def _branches(root: Branch) -> Iterator[Branch]:
    yield root
    for command in root.commands:
        yield from _branches(command)


def _words(branch: Branch) -> str:
    """Everything that may stand next: commands, or options; and what an argument is chosen from."""
    names = [command.path[-1] for command in branch.commands]
    chosen = [choice for argument in branch.arguments for choice in argument.choices]
    return " ".join((*names, *chosen))


def _options(branch: Branch) -> str:
    return " ".join(name for option in branch.options for name in option.names)


def _valued(branch: Branch) -> Iterator[Parameter]:
    return (option for option in branch.options if option.takes != "nothing")


def bash(root: Branch) -> Iterator[str]:
    """A function for bash, 3.2 and later."""
    yield "# edgeroi completion bash"
    yield "_edgeroi() {"
    yield '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" path="" place'
    yield "  for ((place = 1; place < COMP_CWORD; place++)); do"
    yield '    case "$path ${COMP_WORDS[place]}" in'
    known = "|".join(f"'{_called(branch)}'" for branch in _branches(root) if branch.path)
    yield f'      {known}) path="$path ${{COMP_WORDS[place]}}" ;;'
    yield "    esac"
    yield "  done"
    yield "  COMPREPLY=()"
    yield '  case "$path:$before" in'
    for branch in _branches(root):
        for option in _valued(branch):
            patterns = "|".join(f"'{_called(branch)}:{name}'" for name in option.names)
            reply = f'COMPREPLY=($(compgen -W "{" ".join(option.choices)}" -- "$word"))' if option.choices else ""
            reply = _BASH_FILES if option.takes == "path" else reply
            yield f"    {patterns}) {reply or ':'}; return ;;"
    yield "  esac"
    yield '  case "$path" in'
    for branch in _branches(root):
        files = any(argument.takes == "path" for argument in branch.arguments)
        yield f"    '{_called(branch)}')"
        yield '      if [[ "$word" == -* ]]; then'
        yield f'        COMPREPLY=($(compgen -W "{_options(branch)}" -- "$word"))'
        yield "      else"
        yield f'        COMPREPLY=($(compgen -W "{_words(branch)}" -- "$word"))'
        if files:
            yield f"        {_BASH_FILES}"
        yield "      fi ;;"
    yield "  esac"
    yield "}"
    yield "complete -F _edgeroi edgeroi"


#: Names with blanks stay whole, and bash puts the slash behind a folder.
_BASH_FILES = r"local IFS=$" "'\\n'" + '; compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "$word"))'


def _called(branch: Branch) -> str:
    return "".join(f" {word}" for word in branch.path)


def zsh(root: Branch) -> Iterator[str]:
    """A function for zsh's own completion."""
    yield "#compdef edgeroi"
    for branch in _branches(root):
        yield f"{_function(branch)}() {{"
        if branch.commands:
            yield "  local line state"
        yield "  _arguments -s -S \\"
        for option in branch.options:
            others = f"'({' '.join(option.names)})'" if len(option.names) > 1 else ""
            names = f"{{{','.join(option.names)}}}" if len(option.names) > 1 else option.names[0]
            repeated = "'*'" if option.many else others
            yield f"    {repeated}{names}'[{_zsh(option.help)}]{_zsh_value(option)}' \\"
        if branch.commands:
            yield "    '1:command:->command' '*::argument:->argument'"
            yield "  case $state in"
            told = " ".join(f"'{command.path[-1]}:{_zsh(command.short)}'" for command in branch.commands)
            yield f"    command) local -a commands=({told}); _describe command commands ;;"
            yield "    argument) case $line[1] in"
            for command in branch.commands:
                yield f"      {command.path[-1]}) {_function(command)} ;;"
            yield "    esac ;;"
            yield "  esac"
        else:
            for place, argument in enumerate(branch.arguments, 1):
                number = "*" if argument.many else str(place)
                yield f"    '{number}{_zsh_value(argument)}' \\"
            yield "    && return"
        yield "}"
    yield '_edgeroi "$@"'


def _function(branch: Branch) -> str:
    return "_".join(("_edgeroi", *branch.path))


def _zsh(text: str) -> str:
    """The text within single quotes and square brackets."""
    for char in "[]:":
        text = text.replace(char, f"\\{char}")
    return text.replace("'", "'\\''")


def _zsh_value(parameter: Parameter) -> str:
    match parameter.takes:
        case "nothing":
            return ""
        case "choice":
            return f":{_zsh(parameter.metavar)}:({' '.join(parameter.choices)})"
        case "path":
            return f":{_zsh(parameter.metavar)}:_files"
        case _:
            return f":{_zsh(parameter.metavar)}: "


def fish(root: Branch) -> Iterator[str]:
    """Rules for fish."""
    yield "# edgeroi completion fish"
    yield "function __edgeroi_at"
    yield "  set -l path"
    yield "  for word in (commandline -opc)[2..-1]"
    yield '    switch "$path $word"'
    known = " ".join(f"'{_called(branch)}'" for branch in _branches(root) if branch.path)
    yield f"      case {known}"
    yield '        set path "$path $word"'
    yield "    end"
    yield "  end"
    yield '  test "$path" = "$argv[1]"'
    yield "end"
    yield "complete -c edgeroi -f"
    for branch in _branches(root):
        at = f"complete -c edgeroi -n \"__edgeroi_at '{_called(branch)}'\""
        for command in branch.commands:
            yield f"{at} -a {command.path[-1]} -d '{_fish(command.short)}'"
        for argument in branch.arguments:
            if argument.choices:
                yield f"{at} -a '{' '.join(argument.choices)}'"
            elif argument.takes == "path":
                yield f"{at} -F"
        for option in branch.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            yield f"{at} {names} -d '{_fish(option.help)}'{_fish_value(option)}"


def _fish(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _fish_value(option: Parameter) -> str:
    match option.takes:
        case "nothing":
            return ""
        case "choice":
            return f" -x -a '{' '.join(option.choices)}'"
        case "path":
            return " -r -F"
        case _:
            return " -x"


_SCRIPTS = {"bash": bash, "zsh": zsh, "fish": fish}
