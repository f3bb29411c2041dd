"""Does every monitor keep the contract? One walk over all that are registered, and over all files."""

import importlib
import inspect
import pickle
import pkgutil

import numpy as np
import pytest
from sklearn.base import clone
from streams import errors

from kerasdl import shift
from kerasdl.shift import monitors
from kerasdl.shift.monitors import MONITORS, Monitor

# Each monitor in the settings that suit a stream of errors; a monitor that is missing here fails below.
SETTINGS = {
    "ADWIN": [shift.ADWIN()],
    "DDM": [shift.DDM()],
    "EDDM": [shift.EDDM()],
    "HDDM": [shift.HDDM("A"), shift.HDDM("W"), shift.HDDM("A", side="both")],
    "KSWIN": [shift.KSWIN(window=300, recent=100)],
    "PageHinkley": [shift.PageHinkley(threshold=20.0), shift.PageHinkley(threshold=20.0, side="both")],
}
# A monitor of errors reads nothing outside [0, 1].
OF_ERRORS = {"DDM", "EDDM", "HDDM"}
# Known for its false alarms on steady streams, which grow with their length.
RESTLESS = {"DDM", "EDDM"}
BAD_SETTINGS = {
    "ADWIN": ({"delta": 0}, "delta=0: give a probability"),
    "DDM": ({"warning": 4}, r"warning=4, drift=3\.0"),
    "EDDM": ({"drift": 0.99}, r"warning=0\.95, drift=0\.99"),
    "HDDM": ({"kind": "B"}, "kind='B' is not known"),
    "KSWIN": ({"recent": 80}, "recent=80, window=100"),
    "PageHinkley": ({"threshold": 0}, "threshold=0"),
}
EVERY = [one for settings in SETTINGS.values() for one in settings]
each = pytest.mark.parametrize("monitor", EVERY, ids=str)


def forgotten(registered: dict[str, type], exported: list[str]) -> list[str]:
    """Return the monitors that stand in a file of the room and are not registered, exported or tested."""
    found = []
    for module in pkgutil.iter_modules(monitors.__path__):
        members = vars(importlib.import_module(f"{monitors.__name__}.{module.name}")).values()
        here = [
            one.__name__
            for one in members
            if inspect.isclass(one)
            and issubclass(one, Monitor)
            and one.__module__.endswith(f".{module.name}")
            and not inspect.isabstract(one)
        ]
        found += [name for name in here if name not in registered]
        found += [name for name in here if name not in exported]
        found += [name for name in here if not (name in SETTINGS and name in BAD_SETTINGS)]
        if not here and module.name != "base":
            found.append(module.name)
    return found


def test_no_monitor_is_forgotten():
    assert forgotten(MONITORS, shift.__all__) == []
    assert {type(one) for one in EVERY} == set(MONITORS.values())
    assert all(getattr(shift, name) is one for name, one in MONITORS.items())


@pytest.mark.parametrize("name", MONITORS)
def test_a_monitor_taken_off_the_register_or_the_room_s_face_is_missed(name):
    without = {other: one for other, one in MONITORS.items() if other != name}
    assert forgotten(without, shift.__all__) == [name]
    assert forgotten(MONITORS, [other for other in shift.__all__ if other != name]) == [name]


@each
def test_a_jump_of_the_error_rate_is_found_soon(monitor):
    delays = []
    for seed in range(5):
        stream = errors(0.1, 0.5, 1000, seed)
        late = [at - 1000 for at in clone(monitor).update_many(stream) if at >= 1000]
        delays.append(late[0])
    assert np.median(delays) < 200


@each
def test_a_steady_stream_gives_few_alarms(monitor):
    if type(monitor).__name__ not in RESTLESS:
        assert sum(bool(clone(monitor).update_many(errors(0.1, 0.1, 750, seed))) for seed in range(20)) <= 2


@each
def test_one_change_is_told_once(monitor):
    at = clone(monitor).update_many([0.0] * 500 + [1.0] * 500)
    assert len(at) == 1
    assert 500 <= at[0] < 600


@pytest.mark.parametrize(
    "monitor",
    [
        shift.ADWIN(),
        shift.HDDM("A", side="both"),
        shift.HDDM("W", side="fall"),
        shift.KSWIN(window=300, recent=100),
        shift.PageHinkley(threshold=20.0, side="both"),
        shift.PageHinkley(threshold=20.0, side="fall"),
    ],
    ids=str,
)
def test_monitors_of_both_sides_find_a_fall_as_well(monitor):
    assert clone(monitor).update_many([1.0] * 500 + [0.0] * 500)[0] < 600
    for seed in range(3):
        assert clone(monitor).update_many(errors(0.6, 0.1, 500, seed))[0] in range(500, 600)


@pytest.mark.parametrize(
    "monitor",
    [
        shift.ADWIN(),
        shift.KSWIN(window=300, recent=100),
        shift.PageHinkley(0.1, 30.0, side="both", scale="auto"),
    ],
    ids=str,
)
@pytest.mark.parametrize("unit", [1e-6, 0.01, 1e4])
def test_the_unit_does_not_matter_to_monitors_of_any_number(monitor, unit):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        stream = np.concatenate([rng.normal(size=1000), rng.normal(2, 1, 400)])
        alarms = clone(monitor).update_many(stream)
        assert len([at for at in alarms if at >= 1000]) >= 1
        assert clone(monitor).update_many(unit * stream) == alarms


@each
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_stream_gives_no_alarm(monitor, value):
    assert clone(monitor).update_many([value] * 3000) == []


@each
def test_what_is_no_number_is_refused(monitor):
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="x="):
            clone(monitor).update(bad)
    if type(monitor).__name__ in OF_ERRORS:
        with pytest.raises(ValueError, match=r"x=2: give an error in \[0, 1\]"):
            clone(monitor).update(2)


@each
def test_a_reset_or_a_copy_begins_anew_and_a_pickle_goes_on(monitor):
    stream = errors(0.1, 0.6, 400, 3)
    one = clone(monitor)
    alarms = one.update_many(stream)
    one.reset()
    assert one.n_updates == 0
    assert one.update_many(stream) == alarms
    assert clone(one).update_many(stream) == alarms
    half = clone(monitor)
    first = half.update_many(stream[:500])
    rest = pickle.loads(pickle.dumps(half)).update_many(stream[500:])
    assert first + [500 + at for at in rest] == alarms


@pytest.mark.parametrize("name", MONITORS)
def test_bad_settings_are_refused_when_it_is_made(name):
    wrong, message = BAD_SETTINGS[name]
    with pytest.raises(ValueError, match=message):
        MONITORS[name](**wrong)
