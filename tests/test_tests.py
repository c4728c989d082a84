"""The tests' own rules."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
MOST = 5
MODULES = sorted(TESTS.rglob("test_*.py"))


def crowded(source: str) -> Iterator[str]:
    """Names of the test functions with more than `MOST` fixtures; parameters of parametrize and given are none."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            names = {argument.arg for argument in node.args.args + node.args.kwonlyargs}
            for decorator in node.decorator_list:
                names -= parameters(decorator)
            if len(names) > MOST:
                yield node.name


def parameters(decorator: ast.expr) -> set[str]:
    """The arguments that a decorator gives to a test: the names in parametrize, the keywords of given."""
    if not isinstance(decorator, ast.Call):
        return set()
    given = {keyword.arg for keyword in decorator.keywords if keyword.arg} if _name(decorator) == "given" else set()
    if _name(decorator) != "parametrize":
        return given
    names = ast.literal_eval(decorator.args[0])
    return {name.strip() for name in (names.split(",") if isinstance(names, str) else names)}


def _name(decorator: ast.Call) -> str:
    return ast.unparse(decorator.func).rpartition(".")[2]


def test_no_test_has_more_than_five_fixtures():
    found = {str(path.relative_to(TESTS)): [*crowded(path.read_text())] for path in MODULES}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source, names",
    [
        ("def test_it(a, b, c, d, e, f): ...", ["test_it"]),
        ("@pytest.mark.parametrize('a, b', [])\ndef test_it(a, b, c, d, e, f, g): ...", []),
        ("@pytest.mark.parametrize(('a', 'b'), [])\ndef test_it(a, b, c, d, e, f, g): ...", []),
        ("@given(a=integers())\ndef test_it(a, b, c, d, e, f): ...", []),
        ("@pytest.mark.slow\ndef test_it(a, b, c, d, *, e, f): ...", ["test_it"]),
    ],
)
def test_crowded_tests_are_found(source, names):
    assert [*crowded(source)] == names


def test_no_test_loads_a_module_by_its_path():
    """What several rooms need lies in tests/support, which is on the path."""
    loading = {str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py") if LOADING in path.read_text()}
    assert loading == set()


LOADING = "spec_from_file_" + "location"
