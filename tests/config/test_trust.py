"""Which modules need the person's word: those that no installed distribution has put in their place."""

import importlib
import sys
from importlib.machinery import PathFinder

import pytest

from rl_decay.config import trust
from rl_decay.config.schema import Config, walk
from rl_decay.errors import UserError


@pytest.mark.parametrize("key", [key for key, _, about in walk(Config()) if about["code"]])
def test_every_key_that_names_code_is_checked(key, places, tmp_path):
    module(places["here"], "toy_task", package=True)
    if key == "env.wrappers":
        value, shown = ["gymnasium.wrappers.ClipAction", "toy_task.inner.X"], r"env.wrappers\[1\]=toy_task.inner.X"
    else:
        value = "toy_task.inner:X-v0"
        shown = f"{key}={value}"
    with pytest.raises(UserError, match=f"{shown} names the module toy_task.inner"):
        trust.require_trust({key: value}, ["toy_task.other", "toy_task.inn", "toy", ""], tmp_path)
    for name in ("toy_task", "toy_task.inner"):
        trust.require_trust({key: value}, [name], tmp_path)
        assert trust.modules_to_trust({key: value})[-1] == "toy_task.inner"


@pytest.mark.parametrize("entry_point", ["os:system", "subprocess:check_output", "gymnasium:make", "torch.hub:load"])
def test_an_entry_point_needs_a_word_though_its_module_is_installed_or_imported(entry_point, tmp_path):
    """A recorded file could otherwise call any function, with arguments of its own."""
    module = entry_point.partition(":")[0]
    values = {"env.id": entry_point, "env.entry_point": entry_point}
    with pytest.raises(UserError, match=f"called with the arguments in this file.*add --trust {module}"):
        trust.require_trust({"env.entry_point": entry_point}, [], tmp_path)
    trust.require_trust(values, [module], tmp_path)
    assert module in trust.modules_to_trust(values)


def test_wrappers_of_gymnasium_and_imported_ones_need_no_word(tmp_path):
    items = ["gymnasium.wrappers.ClipAction", {"wrapper": "gymnasium.wrappers.FrameStackObservation", "stack_size": 4}]
    trust.require_trust({"env.wrappers": [*items, f"{__name__}.Wrapper"]}, [], tmp_path)
    assert trust.modules_to_trust({"env.wrappers": items}) == []


@pytest.mark.parametrize("items", [[3], [None], ["Bare"], [{"stack_size": 4}], [{"wrapper": 3}], "a.B", 7])
def test_items_that_name_no_module_are_left_to_the_check(items, tmp_path):
    trust.require_trust({"env.wrappers": items}, [], tmp_path)


@pytest.mark.parametrize(
    "value", ["nowhere_to_be_found:X-v0", ":X-v0", "..up:X-v0", "a\0b:X-v0", "a/b:X", "json:evil:X-v0"]
)
def test_a_module_that_is_not_there_is_called_missing(value, tmp_path):
    with pytest.raises(UserError, match="which Python does not find here; install its package"):
        trust.require_trust({"env.id": value}, [], tmp_path)


@pytest.mark.parametrize("value", ["CartPole-v1", "gymnasium.envs.mujoco.nothing:X-v0", "pip._internal:X-v0", None])
def test_what_is_installed_or_names_no_module_needs_no_word(value, tmp_path):
    trust.require_trust({"env.id": value}, [], tmp_path)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("venv.__main__", "is a program"),
        ("pip.__main__", "is a program"),
        ("antigravity", "belongs to no installed package"),
        ("xxlimited", "belongs to no installed package"),
    ],
)
def test_programs_and_pythons_own_library_need_a_word(module, why, tmp_path):
    with pytest.raises(UserError, match=f"{why}.*add --trust {module}"):
        trust.require_trust({"env.id": f"{module}:X-v0"}, [], tmp_path)
    trust.require_trust({"env.id": f"{module}:X-v0"}, [module], tmp_path)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Folders on the path, in this order: `here`, `site` with a .pth file, and `develop`, which that file names."""
    folders = {name: tmp_path / name for name in ("here", "site", "develop")}
    for folder in folders.values():
        folder.mkdir()
    (folders["site"] / "develop.pth").write_text(
        f"# comment\n{folders['develop']}\nimport some_finder; some_finder.go()"
    )
    monkeypatch.setattr(sys, "path", [str(folder) for folder in folders.values()] + sys.path)
    monkeypatch.setattr(trust, "_site_folders", lambda: [str(folders["site"])])
    importlib.invalidate_caches()
    return folders


def module(folder, name, package):
    path = folder / name / "__init__.py" if package else folder / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    importlib.invalidate_caches()


@pytest.mark.parametrize("package", [True, False])
def test_the_place_from_which_python_would_load_decides(package, places):
    assert not trust.is_installed("toy_task")
    module(places["develop"], "toy_task", package)
    assert trust.is_installed("toy_task")
    module(places["site"], "toy_task", package)
    assert trust.is_installed("toy_task.inner")
    module(places["here"], "toy_task", package)  # in the way of the installed one
    assert not trust.is_installed("toy_task")


def test_a_namespace_package_is_installed_if_every_part_is(places):
    (places["site"] / "toy_space").mkdir()
    assert trust.is_installed("toy_space.task")
    (places["here"] / "toy_space").mkdir()
    importlib.invalidate_caches()
    assert not trust.is_installed("toy_space.task")


def test_any_folder_beside_an_editable_package_is_no_installed_one(places):
    (places["develop"] / "downloads").mkdir()
    importlib.invalidate_caches()
    assert not trust.is_installed("downloads.evil")


@pytest.mark.parametrize(
    "owner, installed", [("some_finder", True), ("other_finder", False), ("finder", False), ("", False)]
)
def test_a_finder_counts_if_a_pth_file_put_it_in_place(owner, installed, places, tmp_path, monkeypatch):
    module(tmp_path, "toy_task", package=True)

    class Finder:
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            return PathFinder.find_spec(name, [str(tmp_path)]) if name == "toy_task" else None

    Finder.__module__ = owner
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert trust.is_installed("toy_task") is installed
