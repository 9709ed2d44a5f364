"""RAR archives of recordings, with the same guards as zips.

The package rarfile reads the directory of a RAR and the members that are stored without compression. For compressed
ones, a program of the machine prints all members in one run. As many bytes are read for each member as it declares, and
they must match its checksum. The program is given no name from the archive, and is not asked to write any file.
"""

import errno
import select
import shutil
import stat
import subprocess
import tempfile
import threading
import weakref
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from deepemo.corpora.archive import Archive, ArchiveFile
from deepemo.corpora.members import MAX_RATIO
from deepemo.errors import InputError
from deepemo.files import explained_full_disk, require_room
from deepemo.recordings import is_hidden, is_recording, printable

PROGRAMS = "unrar, unar, 7-Zip or bsdtar"
# Programs that print all members of an archive, and their arguments before its path. Those that unpack the most kinds
# of RAR come first. Each is told that there is no password, so that it does not ask for one.
_COMMANDS = {
    "unrar": ("p", "-inul", "-p-", "--"),
    "unar": ("-q", "-o", "-", "-p", "", "--"),
    "7z": ("e", "-so", "-bb0", "-p", "--"),
    "7zz": ("e", "-so", "-bb0", "-p", "--"),
    "bsdtar": ("-x", "--to-stdout", "-f"),
}
_CHUNK_BYTES = 1 << 20
# A program that prints nothing for so long is stuck: damaged archives bring some into endless loops.
_SILENCE_SECONDS = 300.0
# Errors of the system that mean nonsense in the file: a position or a date out of range.
_NONSENSE = (None, errno.EINVAL, errno.EOVERFLOW)


def is_rar(name: str) -> bool:
    """Whether a file is a RAR by its name."""
    return PurePosixPath(name).suffix.lower() == ".rar"


def is_archive(name: str) -> bool:
    """Whether a file is a zip or a RAR by its name, and not hidden.

    >>> is_archive("a/b.ZIP"), is_archive("b.rar"), is_archive("._b.rar"), is_archive("rar")
    (True, True, False, False)
    """
    path = PurePosixPath(name)
    return path.suffix.lower() in (".zip", ".rar") and not is_hidden(path.name)


def open_archive(path: Path) -> Archive:
    """Open a zip or a RAR, see `Archive` and `RarArchive`.

    Raises:
        InputError: it is not what its name says, or is refused.
        OSError: it cannot be opened.
    """
    return RarArchive(path) if is_rar(path.name) else Archive(path)


def lacking() -> str | None:
    """What this machine lacks to unpack compressed RARs, and how to install it; None if it lacks nothing."""
    try:
        import rarfile  # noqa: F401
    except ImportError:
        return "the package rarfile is not installed: it comes with the extra deepemo[pipeline]"
    if _program():
        return None
    return (
        f"no program that unpacks RARs is installed: expected {PROGRAMS}; on Debian and Ubuntu, install the package "
        "unar, unrar, libarchive-tools (bsdtar), or 7zip together with 7zip-rar"
    )


class SharedRar:
    """A RAR file that is open for reading; it has the methods of `SharedZip`.

    The file is opened anew for each member, so that threads and processes share nothing.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        """Read the directory.

        Raises:
            InputError: it is not a RAR, is damaged, is encrypted as a whole or is a volume of several; or it has
                compressed recordings, and this machine lacks what unpacks them.
            OSError: it cannot be opened.
        """
        self.path = path
        self._lock = threading.Lock()
        self._unpacked: _Unpacked | None = None
        try:
            import rarfile
        except ImportError as error:
            raise InputError(f"{path}: {lacking()}") from error
        # Comments are not read: rarfile would have a program unpack them.
        rarfile.RAR_MAX_COMMENT = 0
        self._rarfile = rarfile
        self._rar, self._solid = self._parse()
        self._members = {info.filename: info for info in self._rar.infolist()}
        self._times = Counter(info.filename.rstrip("/") for info in self._rar.infolist())
        compressed = any(self._is_compressed(info) and is_recording(info.filename) for info in self._rar.infolist())
        if compressed and (fault := lacking()):
            raise InputError(
                f"{path}: its recordings are compressed, and {fault}; or unpack it by hand, and put the folder in its "
                "place"
            )

    def entries(self) -> list[zipfile.ZipInfo]:
        """All entries of its directory, in their order, as entries of a zip."""
        found = self._rar.infolist()
        size_bytes, compressed = _sums(found)
        entries = []
        for info in found:
            entry = zipfile.ZipInfo()
            entry.filename = info.filename
            entry.file_size = info.file_size
            entry.compress_size = info.compress_size
            if self._solid and size_bytes:
                # Members are compressed together: a copy of an earlier member has almost no bytes of its own.
                entry.compress_size = compressed * info.file_size // size_bytes
            entry.flag_bits = int(info.needs_password())
            entry.external_attr = stat.S_IFLNK << 16 if info.is_symlink() or info.file_redir else 0
            entries.append(entry)
        return entries

    @contextmanager
    def open(self, entry: zipfile.ZipInfo, member: str) -> Iterator[IO[bytes]]:
        """Open a member for reading. Opening the first compressed one unpacks all members into temporary files.

        Args:
            entry: its entry in the directory.
            member: its name, for errors.

        Raises:
            InputError: its stored bytes are damaged, it has no checksum, another member has its name, or the archive
                cannot be unpacked; or the disk is full.
        """
        try:
            with self._stream(self._members[entry.filename]) as stream:
                yield stream
        except (self._rarfile.Error, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NONSENSE:
                raise
            raise InputError(f"{self.path}: member {member!r} cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Delete the temporary files."""
        with self._lock:
            if self._unpacked is not None:
                self._unpacked.delete()
            self._unpacked = None

    def _parse(self) -> tuple[Any, bool]:
        """The RAR, and whether its members are compressed together."""
        rarfile, headers = self._rarfile, list[Any]()
        if not rarfile.get_rar_version(str(self.path)):
            raise InputError(f"{self.path}: expected a RAR archive of recordings")
        try:
            # part_only keeps it from opening the files of other volumes.
            rar = rarfile.RarFile(self.path, errors="strict", part_only=True, info_callback=headers.append)
        except (rarfile.Error, ValueError, OverflowError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NONSENSE:
                raise
            raise InputError(f"{self.path}: expected a RAR archive of recordings: {error}") from error
        files = [header for header in headers if header.type == rarfile.RAR_BLOCK_FILE]
        split = rarfile.RAR_FILE_SPLIT_BEFORE | rarfile.RAR_FILE_SPLIT_AFTER
        main = next((header for header in headers if header.type == rarfile.RAR_BLOCK_MAIN), None)
        if rar.needs_password() and not files:
            raise InputError(f"{self.path}: it is encrypted, expected a RAR archive without a password")
        if main is None or headers[-1].type != rarfile.RAR_BLOCK_ENDARC:
            raise InputError(
                f"{self.path}: expected a RAR archive of recordings: it has no end, so it was cut off, or was made by "
                "RAR 2 or older; if so, unpack it by hand"
            )
        if main.flags & rarfile.RAR_MAIN_VOLUME or any(info.flags & split for info in files):
            raise InputError(
                f"{self.path}: it is one volume of several, expected a RAR archive in one file; unpack them by hand, "
                "and put the folder in their place"
            )
        return rar, rar.is_solid() or any(info.flags & rarfile.RAR_FILE_SOLID for info in files)

    def _is_compressed(self, info: Any) -> bool:
        return bool(info.compress_type != self._rarfile.RAR_M0)

    def _stream(self, info: Any) -> IO[bytes]:
        if self._times[info.filename.rstrip("/")] > 1:
            raise self._rarfile.BadRarFile("several members have this path")
        if info.CRC is None and info.blake2sp_hash is None:
            raise self._rarfile.BadRarFile("it has no checksum")
        if info.file_size == 0 and info.CRC:
            raise self._rarfile.BadRarFile("it declares no bytes, and the checksum of some")
        if not self._is_compressed(info):
            stored: IO[bytes] = self._rar.open(info)
            return stored
        with self._lock:
            if self._unpacked is None:
                self._unpacked = _Unpacked(self.path, self._rar, self._rarfile)
        return self._unpacked.files[info.filename].open("rb")


class _Unpacked:
    """The members of a RAR as temporary files, which are deleted with this object.

    Attributes:
        files: by the members' names.
    """

    def __init__(self, path: Path, rar: Any, rarfile: Any) -> None:
        program = _program()
        if program is None:
            raise rarfile.BadRarFile(lacking())
        self.files: dict[str, Path] = {}
        self._rarfile = rarfile
        # Programs print what a link of version 4 leads to, and nothing for a link of version 5.
        members = [info for info in rar.infolist() if not info.is_dir() and info.file_redir is None]
        size_bytes, compressed = _sums(members)
        if size_bytes > MAX_RATIO * max(compressed, 1):
            raise rarfile.BadRarFile(f"all members declare {size_bytes:,} bytes out of {compressed:,} compressed ones")
        require_room(Path(tempfile.gettempdir(), path.name), size_bytes)
        folder = Path(tempfile.mkdtemp(prefix="deepemo-rar-"))
        self.delete = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        # Under its own name and beside other files, a RAR may be taken for a volume of several.
        archive = folder / "archive.rar"
        archive.symlink_to(path.resolve())
        errors = folder / "errors"
        try:
            with (
                explained_full_disk(folder),
                errors.open("wb") as stderr,
                subprocess.Popen(
                    [program, *_COMMANDS[program], archive.name],
                    cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, bufsize=0,
                ) as running,
            ):  # fmt: skip
                try:
                    wrong = self._first_wrong(running.stdout, members, folder)
                finally:
                    running.kill()
            if wrong is not None:
                raise rarfile.BadRarFile(
                    f"{program} does not give the bytes that were packed as {wrong.filename!r}: the archive is "
                    f"damaged, or of a kind that {program} does not unpack{_told(errors)}"
                )
        except BaseException:
            self.delete()
            raise

    def _first_wrong(self, source: Any, members: Sequence[Any], folder: Path) -> Any:
        """Write the members that a program prints to files. Stop at the first that is not as packed, and return it."""
        for number, info in enumerate(members):
            self.files[info.filename] = folder / str(number)
            if not self._is_written(source, folder / str(number), info):
                return info
        return None

    def _is_written(self, source: Any, target: Path, info: Any) -> bool:
        """Whether the next bytes of a program are a member; they are written to a file."""
        checksum = self._rarfile.Blake2SP() if info.CRC is None else self._rarfile.CRC32Context()
        left = info.file_size
        with target.open("wb") as sink:
            while left and select.select([source], [], [], _SILENCE_SECONDS)[0]:
                chunk = source.read(min(left, _CHUNK_BYTES))
                if not chunk:
                    return False
                checksum.update(chunk)
                sink.write(chunk)
                left -= len(chunk)
        return not left and checksum.digest() == (info.blake2sp_hash if info.CRC is None else info.CRC)


class RarArchive(Archive):
    """A RAR archive of recordings, read member by member. Opening it also raises the errors of a `SharedRar`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (RarArchive, (self.path,))

    def _open_files(self, path: Path) -> Sequence[ArchiveFile]:
        return [SharedRar(path)]


def _program() -> str | None:
    """The program that unpacks RARs on this machine; None if there is none."""
    return next((name for name in _COMMANDS if shutil.which(name) and _unpacks_rars(name)), None)


def _unpacks_rars(program: str) -> bool:
    """Whether a program unpacks RARs: a 7-Zip may lack its module for them, as in Debian's package 7zip."""
    if not program.startswith("7z"):
        return True
    told = subprocess.run([program, "i"], stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
    return b"Rar3" in told or b"Rar5" in told


def _sums(members: Sequence[Any]) -> tuple[int, int]:
    """Declared bytes of some members, unpacked and compressed."""
    return sum(info.file_size for info in members), sum(info.compress_size for info in members)


def _told(errors: Path) -> str:
    """What a program wrote about its errors, as the end of a sentence."""
    words = printable(" ".join(errors.read_text(encoding="utf-8", errors="replace").split())[:200])
    return f" ({words})" if words else ""
