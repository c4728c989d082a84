"""A disk that fills up under `rl_decay.runs.durable`."""

import builtins
import errno
import os


class FullDisk:
    """What `rl_decay.runs.durable` sees of the system: from its `full_at`th write or sync on, no space is left."""

    def __init__(self, full_at=None, once=False):
        self.full_at, self.once, self.calls = full_at, once, 0
        self.path, self.O_RDONLY, self.SEEK_END, self.SEEK_SET = os.path, os.O_RDONLY, os.SEEK_END, os.SEEK_SET
        self.close = os.close

    def _call(self):
        self.calls += 1
        if self.full_at is not None and (self.calls == self.full_at or (self.calls > self.full_at and not self.once)):
            raise OSError(errno.ENOSPC, "No space left on device")

    def fsync(self, descriptor):
        self._call()
        os.fsync(descriptor)

    def replace(self, source, target):
        self._call()
        os.replace(source, target)

    def open(self, *arguments, **options):
        if isinstance(arguments[1], int):  # os.open, of a folder
            return os.open(*arguments, **options)
        return _File(builtins.open(*arguments, **options), self)


class _File:
    def __init__(self, file, disk):
        self._file, self._disk = file, disk

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._file.close()

    def write(self, data):
        try:
            self._disk._call()
        except OSError:
            self._file.write(bytes(data)[: len(data) // 2])  # the kernel takes what fits
            raise
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)
