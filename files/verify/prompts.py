"""Prompts that differ in their first line only, and ask for what is in it.

An answer depends on that line through the KV cache alone. The line is new in every run, so no prefix cache has it.
"""

from __future__ import annotations

import random

COLOURS = ["amber", "cobalt", "coral", "crimson", "emerald", "indigo", "ivory", "jade", "magenta", "scarlet", "violet"]
ANIMALS = ["badger", "beaver", "bison", "dolphin", "eagle", "falcon", "heron", "leopard", "otter", "panther", "salmon"]
FILLER = (
    "the river ran slowly past an old mill where people from three villages came to trade grain and cloth in autumn "
    "and when the first snow fell on the hills they closed the gates and told each other stories until the spring"
)
QUESTION = "What is the code word of this text? Answer with the code word only."


def code_words(count: int) -> list[str]:
    """That many different code words, of two words each."""
    choices = [f"{colour} {animal}" for colour in COLOURS for animal in ANIMALS]
    return random.SystemRandom().sample(choices, count)


def prompt(code_word: str, words: int) -> str:
    """A text of about so many words whose first line names a code word, and a question for it."""
    run = random.SystemRandom().getrandbits(32)
    filler = FILLER.split()
    middle = " ".join(filler[i % len(filler)] for i in range(words))
    return f"Text {run:08x}. Its code word is: {code_word}.\n{middle}.\n{QUESTION}"


def names(answer: str, code_word: str) -> bool:
    """Whether an answer has every word of a code word."""
    return all(word in answer.lower() for word in code_word.split())
