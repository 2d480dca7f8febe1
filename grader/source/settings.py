"""Settings that a network asks for and that nothing handed in gives: `args.num_classes`, `cfg["lr"]`. Standard library.

Theory of operation. A network's class may take its numbers from a parser, or from a file that was not handed in. Where
a name says what its value must be for the question's images (`num_classes`, `in_channels`), it has that value, and this
is said. Of other settings a value counts that the submission gives where it is not run (declared.py), then the default
that is asked with it. What is left may be carried about, as most are (`self.lr = args.lr`); what would use it raises
`Unset`, which names it.

What is fair is known to the process, as what was said: a worker lives for one submission.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

CLASSES = (
    "num_classes n_classes nclasses class_num num_class classes n_class num_of_classes class_count nb_classes "
    "n_cls num_cls ncls nclass n_class nb_class no_of_classes number_of_classes classes_num n_labels num_labels "
    "output_dim out_dim num_outputs n_outputs output_size out_features"
).split()
CHANNELS = (
    "in_channels in_channel input_channels input_channel in_ch in_chans channels n_channels num_channels img_channels "
    "image_channels input_ch num_input_channels input_dim in_dim in_chan in_chs img_ch "
    "in_c inp_channels color_channels"
).split()
SIZES = "image_size img_size imgsize image_resolution resolution".split()
SCALES = (
    "width_coefficient depth_coefficient width_coeff depth_coeff width_coef depth_coef width_mult depth_mult "
    "width_multiplier depth_multiplier width_factor depth_factor width depth"
).split()
VERSIONS = "version model_name variant".split()
DROPOUTS = "dropout dropout_rate drop_rate dropout_p dropout_prob drop_prob p".split()
DEVICES = ["device"]
PRETRAINED = {"pretrained": False, "weights": None}
LISTS = "classes class_names classes_names label_names".split()  # as a name of the file: the classes, not their number

MUST = frozenset([*CLASSES, *(c for c in CHANNELS if c.startswith("i") or "_in" in c), *SIZES, *DEVICES, *PRETRAINED])
"""What the question's images and the machine decide, whatever a submission says."""

HOLDERS = re.compile(
    r"(?:(?:my|model|net(?:work)?|train(?:ing|er)?|default|base|global)_?)?"
    r"(?:args?|arguments|cfgs?|conf|config(?:uration)?s?|opts?|options?|h_?params?|hps?|hyper_?param(?:eter)?s?|params"
    r"|settings?|flags|constants?)",
    re.IGNORECASE,
)
"""Names of what holds settings."""

FACTORY = re.compile(rf"(?:get|parse|load|make|build|create|read)_?{HOLDERS.pattern}", re.IGNORECASE)
"""Names of functions that give it."""

TRAINING = re.compile(
    r"(?i).*(lr|rate|batch|epoch|momentum|decay|seed|workers|optim|sched|log|save|dir|path|file|name|data).*"
)
"""Settings of the training, which no network is built of."""

MOST_SHOWN = 40  # characters of a value in a sentence
NOTHING = object()


class Own(NamedTuple):
    """A value that the submission itself gives a setting where it is not run, and where that is."""

    value: Any
    place: str


_fair: dict[str, Any] = {}
_own: list[Callable[[], Mapping[str, Own]]] = []
_said: list[str] = []
_unset: list[str] = []


class Unset(Exception):
    """A setting was used that nothing gives a value; the text names it and says what to do."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} has no value here: nothing that could be run sets it. "
            f"Give it a value in the code, or hand in the file that sets it"
        )


def known(classes: int, channels: int, size: int = 32) -> dict[str, Any]:
    """Arguments of networks whose names say what they must be."""
    tables: tuple[tuple[object, list[str]], ...] = (
        (classes, CLASSES),
        (channels, CHANNELS),
        (size, SIZES),
        (1.0, SCALES),
        ("b0", VERSIONS),
        (0.2, DROPOUTS),
        ("cpu", DEVICES),
    )
    return {name: value for value, names in tables for name in names} | PRETRAINED


def install(classes: int, channels: int, size: int, own: Callable[[], Mapping[str, Own]] = dict) -> None:
    """From now on settings have the values that these images ask for, else their `own`; nothing has been said of any.

    `own` is asked only when a setting is wanted.
    """
    _fair.clear()
    _fair.update(known(classes, channels, size))
    _own[:] = [own]
    _said.clear()
    _unset.clear()


def forget() -> None:
    """What was said was of another try."""
    _said.clear()


def said() -> tuple[str, ...]:
    """Which settings were given a value; a sentence each, without its end."""
    return tuple(dict.fromkeys(filter(None, _said)))


def unset() -> tuple[str, ...]:
    """The settings that were read and have no value; those that may belong to the network where there are any."""
    found = tuple(dict.fromkeys(_unset))
    return tuple(path for path in found if not TRAINING.fullmatch(path.rpartition(".")[2])) or found


def gives_settings(name: str) -> bool:
    """Whether a name is that of settings, of a class of them, or of a function that gives them."""
    return holds_settings(name) or FACTORY.fullmatch(name) is not None


def holds_settings(name: str) -> bool:
    """Whether a name is one of those that hold settings."""
    return HOLDERS.fullmatch(name) is not None


def lent(name: str) -> Any:
    """What to bind a name of a file to that nothing handed in binds; None where its name does not say."""
    if holds_settings(name):
        return Setting(name)
    key = name.lower()
    if not _fair or key not in {*CLASSES, *CHANNELS, *SIZES, *DEVICES, *LISTS}:
        return None
    if key not in LISTS:
        _said.append(_told(name, _fair[key], None, NOTHING))
        return _fair[key]
    _said.append(f"{name} is {_fair['classes']} names here, since nothing that could be run sets it")
    return tuple(map(str, range(_fair["classes"])))


def plain(key: str) -> str:
    """The name of a setting as it is looked up: of `--Num-Classes` num_classes."""
    return key.lower().strip("-").replace("-", "_")


def value(path: str, key: str, default: Any = NOTHING) -> Any:
    """The value that a setting must have by its name, which is said; else its own, its default, or one not to use."""
    key = plain(key)
    own = _owned().get(key)
    given = own.value if own else default
    if key in _fair and (given is NOTHING or (key in MUST and not isinstance(given, list | tuple | dict))):
        _said.append(_told(path, _fair[key], own, default))
        return _fair[key]
    if own:
        _said.append(_told(path, own.value, own, default))
    elif default is NOTHING:
        if not key.startswith("_"):
            _unset.append(path)
        return Setting(path)
    return given


def _told(path: str, value: Any, own: Own | None, default: Any) -> str:
    """What to say of a setting's value; nothing where it is the default that the code itself has."""
    shown = str(value)[:MOST_SHOWN]
    if own and own.value == value:
        return f"{path} is {shown} here, as the file sets it ({own.place})"
    if own:
        return f"{path} is {shown} here, not {str(own.value)[:MOST_SHOWN]} as the file sets it ({own.place})"
    if default is NOTHING or default is None:
        return f"{path} is {shown} here, since nothing that could be run sets it"
    return "" if default == value else f"{path} is {shown} here, not {str(default)[:MOST_SHOWN]} as by default"


def _owned() -> Mapping[str, Own]:
    return _own[0]() if _own else {}


def attribute(holder: Any, key: str, *default: Any) -> Any:
    """`getattr`, with the default where `holder` is a setting that has no such value."""
    if default and type(holder) is Setting:
        return holder.get(key, *default)
    return getattr(holder, key, *default)


def has_attribute(holder: Any, key: str) -> bool:
    """`hasattr`, which settings answer by what is known of them."""
    return key in holder if type(holder) is Setting else hasattr(holder, key)


class Setting:
    """Settings, or one of them that has no value: its own settings can be read, and any other use raises `Unset`."""

    __slots__ = ("_path", "_whole")

    def __init__(self, path: str, *, whole: bool | None = None) -> None:
        self._path = path
        self._whole = holds_settings(path) if whole is None else whole

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        return value(f"{self._path}.{key}", key)

    def __getitem__(self, key: object) -> Any:
        return value(f"{self._path}[{key!r}]", str(key))

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict's."""
        return value(f"{self._path}.{key}", key, default)

    def keys(self) -> tuple[str, ...]:
        """Nothing, for `**config`."""
        return () if self._whole else self._use()

    def __contains__(self, key: object) -> bool:
        return plain(str(key)) in {**_fair, **_owned()}

    def __bool__(self) -> bool:
        return self._whole or self._use()

    def __iter__(self) -> Iterator[Any]:
        return iter(()) if self._whole else self._use()

    def _use(self, *args: object, **kwargs: object) -> NoReturn:  # noqa: ARG002  # of any kind
        raise Unset(self._path)

    def __hash__(self) -> int:
        return object.__hash__(self) if self._whole else self._use()

    __call__ = __len__ = __int__ = __float__ = __index__ = __neg__ = _use
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _use  # they answer nothing
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _use
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _use

    def __repr__(self) -> str:
        return self._path
