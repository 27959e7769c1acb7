"""A disk whose power can be cut: ext4 in a loop-mounted file.

ext4's shutdown ioctl makes the file system forget, in one instant, everything
that was never synced, the journal's unwritten part included; mounting it again
recovers it as after a power cut. This loses what was not synced; it does not
model torn sectors, nor disks that lie about their cache.

Needs root, loop devices and ext4: `python -m tests.durability.power_cut` says
whether this machine can.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLONE_NEWNS = 0x00020000  # linux/sched.h
_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN = _IOR('X', 125, __u32), fs/ext4/ext4.h
_NO_LOG_FLUSH = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH: the journal in memory is lost too
_BUSY_GUARD = 20.0  # seconds; killed processes let go of their files much sooner


class PowerCutImpossibleError(RuntimeError):
    """This machine cannot cut the power of a disk; the message says why."""


class LoopDisk:
    """An ext4 disk in a file, mounted on entry, unmounted and removed on exit.

    Args:
        size_mib: Size in MiB; the file is sparse and takes only what is written.

    Raises:
        PowerCutImpossibleError: on entry, if it cannot be made or mounted.
    """

    def __init__(self, size_mib: int = 512) -> None:
        self.size_mib = size_mib

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="open311-disk-"))
        self._folder.chmod(0o755)  # an unprivileged database server must get through
        self._image = self._folder / "image"
        self.root = self._folder / "mounted"
        self.root.mkdir()
        try:
            self._format()
            self._mount()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.root.is_mount():
            self._unmount()
        self._remove()

    def cut(self) -> None:
        """Cut the power now: what is not synced is lost, every further write fails."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def restore(self) -> None:
        """Give the power back: mount again, which replays what the journal holds.

        Every process that has a file open on the disk must have been killed.
        """
        self._unmount()
        self._mount()

    def _format(self) -> None:
        with self._image.open("wb") as image:
            image.truncate(self.size_mib << 20)
        _run("mkfs.ext4", "-q", "-F", str(self._image))

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.root))

    def _unmount(self) -> None:
        deadline = time.monotonic() + _BUSY_GUARD
        while True:
            try:
                _run("umount", str(self.root))
            except PowerCutImpossibleError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _remove(self) -> None:
        # Never into a mounted disk: an unmount that failed leaves the folder behind.
        if not self.root.is_mount():
            shutil.rmtree(self._folder, ignore_errors=True)


def enter_private_mounts() -> bool:
    """Give this process a mount table of its own; say whether that was possible.

    What is mounted afterwards is seen by this process and its children only, and
    goes away with them, however they end. Call it before any thread is started.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        return False
    try:
        _run("mount", "--make-rprivate", "/")
    except PowerCutImpossibleError:
        return False
    return True


def why_impossible() -> str | None:
    """Why power cannot be cut here, or ``None`` if it can.

    Found out by doing it: a synced file must survive, an unsynced one must not.
    """
    if sys.platform != "linux":
        return "loop mounts of ext4 are Linux's"
    if os.geteuid() != 0:
        return "mounting a disk needs root"
    try:
        with LoopDisk(size_mib=16) as disk:
            survivors = _cut_between_two_files(disk)
    except (PowerCutImpossibleError, OSError) as error:
        return str(error)
    if survivors != ["synced"]:
        return f"after a cut {survivors} survived, where only ['synced'] should"
    return None


def _cut_between_two_files(disk: LoopDisk) -> list[str]:
    for name, synced in (("synced", True), ("unsynced", False)):
        with (disk.root / name).open("wb") as file:
            file.write(b"x" * 10_000)
            file.flush()
            if synced:
                os.fsync(file.fileno())
    disk.cut()
    disk.restore()
    return sorted(path.name for path in disk.root.glob("*synced"))


def _run(*command: str) -> None:
    program, *arguments = command
    # mkfs and mount live in sbin, which an ordinary PATH leaves out.
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise PowerCutImpossibleError(f"{program} is not installed")
    done = _completed([found, *arguments])
    if done.returncode != 0:
        raise PowerCutImpossibleError(done.stdout.strip() or f"{program} failed")


def _completed(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


if __name__ == "__main__":
    enter_private_mounts()
    reason = why_impossible()
    print(f"power cuts: impossible, {reason}" if reason else "power cuts: possible")
    sys.exit(reason is not None)
