"""The notation of golden files says all that objects say, the order of lists included."""

from typing import Any

import pytest

from tests.golden.notation import difference, expanded, keyed, patched, plain, shortened, text

NAMED = [{"name": "b", "value": "1"}, {"name": "a", "value": "2"}]


@pytest.mark.parametrize(
    "entries",
    [
        NAMED,
        [*NAMED, {"name": "a"}],
        [*NAMED, {"value": "3"}],
        [{"mountPath": "/a", "name": "a"}, {"mountPath": "/b", "name": "a"}],
        ["--a", "1", "--b", "--c", "2", "3"],
        ["--a", "1", "--a", "2"],
        ["run", "--a"],
        [1, "a"],
        [],
    ],
)
def test_an_object_can_be_had_back(entries: list[Any]) -> None:
    assert plain(keyed({"env": entries})) == {"env": entries}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("abc", "abc"),
        ("abc", "ac"),
        ("acd", "abcd"),
        ("cab", "cabd"),
        ("cab", "cdab"),
        ("cab", "dcab"),
        ("abc", "cba"),
        ("bc", "bxac"),
        ("", "ab"),
        ("ab", ""),
    ],
)
def test_a_change_leads_from_one_list_to_the_other(before: str, after: str) -> None:
    one, other = ({"spec": {"env": [{"name": name} for name in names], "n": {}}} for names in (before, after))
    change = difference(keyed(one), keyed(other))
    assert change is not None
    assert plain(patched(keyed(one), change)) == other


@pytest.mark.parametrize(
    ("before", "after"), [({"a": 1}, {"a": {"b": 1}}), ({"a": {"b": 1}}, {"a": {}}), ({"a": {"b": 1}}, {"a": [1]})]
)
def test_a_change_leads_from_one_value_to_the_other(before: Any, after: Any) -> None:
    change = difference(before, after)
    assert change is not None
    assert patched(before, change) == after


def test_an_object_is_told_the_shortest_way() -> None:
    many = {"spec": {f"field{n}": f"{n}" * 40 for n in range(9)}}
    base = {"Job/a": many, "Job/old": {}}
    other = patched(many, {"spec": {"field1": "1"}})
    objects = {"Job/a": many, "Job/b": other, "Pod/a": {"spec": {}}, "Pod/b": {"spec": {"n": "1"}}}
    change: dict[str, Any] = {
        "Job/old": None,
        "Job/b": {"like": "Job/a", "spec": {"field1": "1"}},
        "Pod/a": {"spec": {}},
        "Pod/b": {"spec": {"n": "1"}},
    }
    assert shortened(base, objects) == change
    assert expanded(base, change) == objects


def test_what_is_short_is_on_one_line() -> None:
    long = {"text": "a\nb\n", "list": ["a" * 60, "b" * 60], "map": {"a": {"b": [1, "2"]}}}
    assert text(long).splitlines() == [
        "text: |",
        "  a",
        "  b",
        "list:",
        f"- {'a' * 60}",
        f"- {'b' * 60}",
        "map: {a: {b: [1, '2']}}",
    ]
