"""The test pod and the canary: python3 -m verify FILE."""

from __future__ import annotations

import sys
from pathlib import Path

from .exchange import POLL_SECONDS, counted, exchange
from .frontend import wait_for_model
from .plan import FailedError, Plan, read
from .prompts import code_words
from .proofs import proofs
from .report import passed, table

# English has about so many words to a token.
WORDS_PER_TOKEN = 0.75


def run(plan: Plan) -> bool:
    """Ask, and print what was proved. Raises FailedError when the release cannot be asked."""
    context = wait_for_model(plan)
    tokens = min(plan.prompt_tokens, context - plan.answer_tokens - 100) if context else plan.prompt_tokens
    words = round(tokens * WORDS_PER_TOKEN)
    exchanges = []
    patience: float = POLL_SECONDS
    for code_word in code_words(plan.requests):
        seen = exchange(plan, code_word, words, patience)
        exchanges.append(seen)
        if not counted(plan, seen):
            # What was not counted in that time will not be: no need to wait as long again.
            patience = 2
        if len(exchanges) == 1 and seen.answer.prompt_tokens:
            words = round(words * min(2, tokens / seen.answer.prompt_tokens))
    found = proofs(plan, exchanges)
    print(table(plan, found))
    return passed(found)


def main() -> int:
    """The command line."""
    try:
        return 0 if run(read(Path(sys.argv[1]))) else 1
    except FailedError as error:
        print(f"FAIL: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
