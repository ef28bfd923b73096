"""Write the model folder of the simulated runtime: a tokenizer and configuration files, no weights.

The mocker emits token ids that only have to exist in the vocabulary (it needs at least 32,000 entries),
so the vocabulary is invented: every byte, then pronounceable syllables and words built from them.
It is a complete byte-level BPE: any text encodes, and decodes to itself.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

VOCABULARY_SIZE = 32_768
SPECIAL_TOKENS = ("<|begin|>", "<|end|>", "<|role|>", "<|text|>", "<|done|>")
CONTEXT_LENGTH = 131_072
CHAT_TEMPLATE = (
    "{{ '<|begin|>' }}"
    "{% for message in messages %}"
    "{{ '<|role|>' + message['role'] + '<|text|>' + message['content'] + '<|done|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|role|>assistant<|text|>' }}{% endif %}"
)


def byte_characters() -> list[str]:
    """The 256 printable characters that stand for the bytes 0 to 255 in byte-level BPE (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def merges() -> list[tuple[str, str]]:
    """The BPE merges in order of rank: syllables, then words of two and of three syllables."""
    space = byte_characters()[ord(" ")]
    pairs = list(product("bcdfghjklmnprstvwxyz", "aeiou"))
    syllables = ["".join(pair) for pair in pairs]
    openings = [space + syllable for syllable in syllables]
    doubles = list(product(syllables, syllables))
    ranked = [
        *pairs,
        *((space, syllable) for syllable in syllables),
        *product(openings, syllables),
        *doubles,
        *(("".join(double), syllable) for double in doubles for syllable in syllables),
    ]
    return ranked[: VOCABULARY_SIZE - 256 - len(SPECIAL_TOKENS)]


def model_files() -> dict[str, dict[str, Any]]:
    """The content of every file of the folder, by file name."""
    ranked = merges()
    words = [*byte_characters(), *(left + right for left, right in ranked)]
    vocabulary = {word: index for index, word in enumerate(words)}
    special = {token: len(vocabulary) + index for index, token in enumerate(SPECIAL_TOKENS)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    ids = {"bos_token_id": special["<|begin|>"], "eos_token_id": special["<|end|>"]}
    return {
        "tokenizer.json": {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": index, "content": token, **flags} for token, index in special.items()],
            "normalizer": None,
            "pre_tokenizer": byte_level,
            "post_processor": None,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": vocabulary,
                "merges": [list(pair) for pair in ranked],
            },
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|begin|>",
            "eos_token": "<|end|>",
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": CONTEXT_LENGTH,
            "chat_template": CHAT_TEMPLATE,
        },
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": VOCABULARY_SIZE,
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": CONTEXT_LENGTH,
            "rms_norm_eps": 1e-5,
            "rope_theta": 500_000.0,
            "hidden_act": "silu",
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            **ids,
        },
        "generation_config.json": ids,
    }


def write_model(folder: Path) -> None:
    """Write the model folder; the same files, byte for byte, every time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in model_files().items():
        text = json.dumps(content, ensure_ascii=False, indent=None if name == "tokenizer.json" else 2)
        (folder / name).write_text(text + "\n", encoding="utf-8")
