import os

import pytest

from helpers.quiet import quiet


def test_native_writes_are_dropped_inside_and_come_through_again_after(capfd):
    os.write(2, b"before ")
    with quiet():
        os.write(2, b"inside ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_an_exception_passes_and_the_stream_is_back(capfd):
    with pytest.raises(ZeroDivisionError), quiet():
        raise ZeroDivisionError
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_no_file_descriptor_is_left_open():
    count = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    for _ in range(5):
        with quiet():
            pass
    assert count is None or len(os.listdir("/proc/self/fd")) == count
