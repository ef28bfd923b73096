"""Containers' command lines: as lists, as one line or script for a shell, and what such a script sets before.

A script is read, never run: assignments, arrays, here documents and the line that starts Dynamo. The rest is left out
and said.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SHELL = re.compile(r"(^|/)(ba|da|z)?sh$")
REFERENCE = re.compile(r"\$\{(\w+)(?::?[-=?]([^}]*))?\}|\$(\w+)|\$\((\w+)\)")
KUBERNETES = re.compile(r"\$\((\w+)\)|\$\{(\w+)\}")
ARRAY = re.compile(r"^\$\{(\w+)\[[@*]\]\}$")
ASSIGNMENT = re.compile(r"^(\w+)(\+?)=(.*)$", re.DOTALL)
# They change nothing for the program that follows; what the last three write is read before, from here documents.
HARMLESS = ("set", "cd", "echo", "exec", "true", ":", "wait", "trap", "shopt", "printf", "cat", "tee", "mkdir")
# A command that is only known when it has run.
COMPUTED = "$(...)"


@dataclass
class Call:
    """The program that a container runs."""

    # "dynamo.vllm"; empty where none was found.
    module: str = ""
    words: list[str] = field(default_factory=list)
    # Variables that the script sets for it.
    env: dict[str, str] = field(default_factory=dict)
    # Files that the script writes.
    files: dict[str, str] = field(default_factory=dict)
    # Variables that its line has by name, and that have no other use then.
    used: set[str] = field(default_factory=set)
    # Lines of the script that were left out.
    skipped: list[str] = field(default_factory=list)
    # The command line, short, for messages.
    text: str = ""


@dataclass
class _Word:
    # Text, and whether a shell would split it and look for variables in it.
    parts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def plain(self) -> str:
        return "".join(text for text, _ in self.parts)


def call(command: list[str], arguments: list[str], env: Mapping[str, str]) -> Call:
    """What `command` and `args` of a container run. Variables of `env` are filled in."""
    words = [*command, *arguments]
    script = _script(words)
    if script is not None:
        return _read(script, dict(env))
    result = Call(text=" ".join(words)[:100])
    # Kubernetes fills in $(NAME). Some inputs have ${NAME}, for a program that fills them in before.
    expanded = [KUBERNETES.sub(lambda m: env.get(m[1] or m[2], m[0]), word) for word in words]
    result.used = {match[1] or match[2] for word in words for match in KUBERNETES.finditer(word)}
    _take(result, expanded)
    return result


def _script(words: list[str]) -> str | None:
    """The text that a shell gets with -c, where one is started."""
    if not words or not SHELL.search(words[0]):
        return None
    for place, word in enumerate(words[1:], 1):
        if re.fullmatch(r"-[a-z]*c", word):
            return words[place + 1] if place + 1 < len(words) else ""
    return None


def _take(result: Call, words: list[str]) -> bool:
    """Find `python3 -m MODULE` in a command line."""
    for place, word in enumerate(words[:-1]):
        if word == "-m" and place and re.search(r"(^|/)python[0-9.]*$", words[place - 1]):
            result.module = words[place + 1]
            result.words = words[place + 2 :]
            return True
    if words and re.match(r"^dynamo[-_](frontend|vllm|sglang|trtllm|mocker)$", words[0]):
        result.module = re.sub(r"^dynamo[-_]", "dynamo.", words[0])
        result.words = words[1:]
        return True
    return False


def _read(script: str, env: dict[str, str]) -> Call:
    result = Call(text=" ".join(script.split())[:100])
    variables = dict(env)
    arrays: dict[str, list[str]] = {}
    for words in _statements(script, result.files, variables):
        while words and words[0].plain in ("then", "do", "else", "exec", "command", "time", "nohup"):
            words = words[1:]
        own: dict[str, str] = {}
        exported = bool(words) and words[0].plain == "export"
        for word in words[1:] if exported else list(words):
            match = ASSIGNMENT.match(word.plain)
            if not match or (word.parts and word.parts[0][1] != "bare"):
                break
            if match[3].startswith("(") and word.parts[0][1] == "bare":
                items = _items(match[3][1:-1], arrays, variables)
                arrays[match[1]] = [*arrays.get(match[1], []), *items] if match[2] else items
            else:
                own[match[1]] = _expand(_after(word, len(match[1]) + len(match[2]) + 1), variables)
            if not exported:
                words = words[1:]
        if exported or not words:
            variables |= own
            result.env |= own if exported else {}
            continue
        line = [text for word in words for text in _expanded(word, arrays, variables)]
        if _take(result, line):
            result.env |= own
            result.words = _without_redirections(result.words)
            result.used = {match[1] or match[3] for match in REFERENCE.finditer(script) if match[1] or match[3]}
        elif words[0].plain == "unset":
            result.env |= {name.plain: "" for name in words[1:]}
        elif words[0].plain not in HARMLESS:
            result.skipped.append(" ".join(line)[:80])
    return result


def _after(word: _Word, length: int) -> _Word:
    """A word without its first characters."""
    parts: list[tuple[str, str]] = []
    for text, kind in word.parts:
        cut = min(length, len(text))
        length -= cut
        if text[cut:] or kind != "bare":
            parts.append((text[cut:], kind))
    return _Word(parts)


def _items(text: str, arrays: dict[str, list[str]], variables: Mapping[str, str]) -> list[str]:
    """The entries of an array."""
    words = [word for words in _statements(text, {}, variables) for word in words]
    return [item for word in words for item in _expanded(word, arrays, variables)]


def _without_redirections(words: list[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif re.fullmatch(r"\d*>>?|<", word):
            skip = True
        elif not re.match(r"^\d*>>?(&\d|\S)", word):
            kept.append(word)
    return kept


def _expanded(word: _Word, arrays: dict[str, list[str]], variables: Mapping[str, str]) -> list[str]:
    """The words that a shell makes of one."""
    if match := ARRAY.match(word.plain):
        return arrays.get(match[1], [])
    text = _expand(word, variables)
    if len(word.parts) == 1 and word.parts[0][1] == "bare" and "$" in word.plain:
        return text.split()
    return [text]


def _expand(word: _Word, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name and name in variables:
            return variables[name]
        return match[2] if match[2] is not None and ":?" not in match[0] else match[0]

    return "".join(text if kind == "quoted" else REFERENCE.sub(value, text) for text, kind in word.parts)


def _statements(script: str, files: dict[str, str], variables: Mapping[str, str]) -> Iterator[list[_Word]]:
    """The simple commands of a script, and what its here documents write."""
    words: list[_Word] = []
    word = _Word()
    pending: list[str] = []
    i = 0

    def end_word() -> None:
        nonlocal word
        if word.parts:
            words.append(word)
        word = _Word()

    def add(text: str, kind: str) -> None:
        if word.parts and word.parts[-1][1] == kind:
            word.parts[-1] = (word.parts[-1][0] + text, kind)
        else:
            word.parts.append((text, kind))

    while i < len(script):
        char = script[i]
        if char == "\\":
            following = script[i + 1 : i + 2]
            if following in ("\n", " ", ""):
                # A line that goes on; "\ " is one that YAML has folded.
                end_word()
            else:
                add(following, "quoted")
            i += 2
        elif char == "'":
            end = script.find("'", i + 1)
            end = len(script) if end < 0 else end
            add(script[i + 1 : end], "quoted")
            i = end + 1
        elif char == '"':
            i, text = _double_quoted(script, i + 1)
            add(text, "double")
        elif script.startswith("$(", i) or char == "`":
            i = _end_of_command(script, i)
            add(COMPUTED, "quoted")
        elif script.startswith("${", i):
            end = script.find("}", i)
            end = len(script) - 1 if end < 0 else end
            add(script[i : end + 1], "bare")
            i = end + 1
        elif script.startswith("<<", i):
            end_word()
            if match := re.compile(r"<<-?\s*['\"]?(\w+)['\"]?").match(script, i):
                pending.append(match[1])
                i = match.end()
            else:
                i += 2
        elif char == "(" and re.fullmatch(r"\w+\+?=", word.plain):
            end = _closing(script, i)
            add(script[i : end + 1], "bare")
            i = end + 1
        elif char == "#" and not word.parts:
            end = script.find("\n", i)
            i = len(script) if end < 0 else end
        elif char in "\n;|&()":
            if char == "&" and words and re.fullmatch(r"\d*>+", word.plain):
                add(char, "bare")
                i += 1
                continue
            end_word()
            here = words
            words = []
            i += 1
            if char == "\n":
                for delimiter in pending:
                    i, body = _here(script, i, delimiter)
                    if target := _target(here):
                        files[_expand(target, variables)] = body
                pending = []
            if here:
                yield here
        elif char in " \t":
            end_word()
            i += 1
        else:
            add(char, "bare")
            i += 1
    end_word()
    if words:
        yield words


def _double_quoted(script: str, i: int) -> tuple[int, str]:
    text = ""
    while i < len(script) and script[i] != '"':
        if script[i] == "\\" and script[i + 1 : i + 2] in ('"', "\\", "$", "`", "\n"):
            text += "" if script[i + 1] == "\n" else script[i + 1]
            i += 2
        elif script.startswith("$(", i):
            i = _end_of_command(script, i)
            text += COMPUTED
        else:
            text += script[i]
            i += 1
    return i + 1, text


def _end_of_command(script: str, i: int) -> int:
    """Behind a $(...) or `...`."""
    if script[i] == "`":
        end = script.find("`", i + 1)
        return len(script) if end < 0 else end + 1
    return _closing(script, i + 1) + 1


def _closing(script: str, i: int) -> int:
    """The bracket that closes the one at i; quotes hide brackets."""
    depth = 0
    quote = ""
    while i < len(script):
        char = script[i]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return i
        i += 1
    return i


def _here(script: str, i: int, delimiter: str) -> tuple[int, str]:
    """The body of a here document that begins at i, and where it ends."""
    lines: list[str] = []
    while i < len(script):
        end = script.find("\n", i)
        end = len(script) if end < 0 else end
        line = script[i:end]
        i = end + 1
        if line.strip() == delimiter:
            break
        lines.append(line)
    return i, "\n".join(lines) + "\n"


def _target(words: list[_Word]) -> _Word | None:
    """The file that `cat > FILE` writes."""
    for place, word in enumerate(words):
        if word.plain in (">", ">>") and place + 1 < len(words):
            return words[place + 1]
        if word.plain.startswith(">") and len(word.plain) > 1:
            return _after(word, len(word.plain) - len(word.plain.lstrip(">")))
    return None
