"""Bring the wanted corpora into one folder: a zip, in parts if it is large, and its provenance."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import ByHand, Corpus, Generated, Own
from deepemo.corpora.download.folders import CopyNotFoundError, Folder, Place, find_copy
from deepemo.corpora.download.http import Patience
from deepemo.corpora.download.packing import Contents, pack, remove_parts, take_stock
from deepemo.corpora.download.provenance import Provenance, read_provenance, record_provenance, write_provenance
from deepemo.corpora.download.publishers import address, fetch_corpus
from deepemo.corpora.download.rar import RarArchive
from deepemo.corpora.download.stores import Store, StoredCopy, is_address
from deepemo.corpora.parts import first_path
from deepemo.corpora.synthetic.generate import generate
from deepemo.errors import InputError
from deepemo.params import Download
from deepemo.recordings import printable

_LOG = logging.getLogger(__name__)


def acquire(
    corpora: Sequence[Corpus], params: Download, *, raw_dir: Path, seed: int, patience: Patience | None = None
) -> list[Provenance]:
    """Bring each corpus into `raw_dir`, and delete all other files there.

    A corpus that is already there, from the same source and with the same recordings, is left unchanged. A corpus that
    is not in `params.source_dir` is fetched from its publisher. Partial downloads are kept in the folder `incoming`
    beside `raw_dir` until their corpus is complete.

    Args:
        corpora: the wanted corpora.
        params: their source, and the size of the generated one.
        raw_dir: folder of the zips.
        seed: of the generated corpus.
        patience: limits on waiting for servers.

    Returns:
        The provenance of each corpus, in the order given.

    Raises:
        InputError: a corpus is not available; the message says why and what to do.
        OSError: a file cannot be read or written.
    """
    local = params.source_dir is not None and not is_address(params.source_dir)
    if local and Path(str(params.source_dir)).resolve().is_relative_to(raw_dir.resolve()):
        raise InputError(
            f"download.source_dir: found {params.source_dir}, in {raw_dir}, where only what this stage writes is left; "
            "expected a folder outside it"
        )
    raw_dir.mkdir(parents=True, exist_ok=True)
    wanted = {f"{corpus.name}{suffix}" for corpus in corpora for suffix in (".zip", ".json")}
    for path in raw_dir.iterdir():
        # Parts may be from a packing that was killed. They are kept, because the next one continues from them.
        if first_path(path).name not in wanted:
            path.unlink()
    return [_acquire_one(corpus, params, raw_dir, seed, patience or Patience()) for corpus in corpora]


def _acquire_one(corpus: Corpus, params: Download, raw_dir: Path, seed: int, patience: Patience) -> Provenance:
    archive = raw_dir / f"{corpus.name}.zip"
    if isinstance(corpus.source, Generated):
        generate(archive, params.synthetic, seed=seed)
        remove_parts(archive)
        contents = take_stock(corpus, [Archive(archive)])
        return _write(corpus, contents, archive, source="made here by deepemo.corpora.synthetic.generate", dated=False)
    if isinstance(corpus.source, Own):
        return _pack(corpus, [Folder(corpus.source.folder)], archive)
    if params.source_dir is None:
        return _fetch(corpus, archive, connections=params.connections, patience=patience)
    stored = is_address(params.source_dir)
    try:
        if stored:
            return _copy(corpus, archive, Store(params.source_dir).find(corpus), connections=params.connections)
        places = find_copy(corpus, Path(params.source_dir))
    except CopyNotFoundError as absence:
        if not stored and not Path(params.source_dir).is_dir():
            raise
        if not isinstance(corpus.source, ByHand):
            _LOG.warning("%s; fetching it from %s", absence, address(corpus))
        try:
            return _fetch(corpus, archive, connections=params.connections, patience=patience)
        except InputError as error:
            raise InputError(f"{absence}; and {error}") from error
    return _pack(corpus, places, archive)


def _pack(corpus: Corpus, places: Sequence[Place], archive: Path) -> Provenance:
    """Pack a corpus from folders or archives, unless an earlier run did."""
    source = printable(", ".join(str(place.path) for place in places))
    contents = take_stock(corpus, places)
    known = _known(archive)
    if known and known.source == source and known.sha256 == contents.sha256 and known.describes(archive):
        return known
    pack(contents, archive)
    return _write(corpus, contents, archive, source=source)


def _copy(corpus: Corpus, archive: Path, copy: StoredCopy, *, connections: int) -> Provenance:
    """Copy a corpus from a store, unless the zip here was made from the same files."""
    known = _known(archive)
    if known and known.source == copy.source and known.describes(archive):
        return known
    incoming = archive.parent.parent / "incoming" / corpus.name
    folder = incoming / copy.digest[:16]
    copy.copy(folder, connections=connections, name=corpus.name)
    contents = take_stock(corpus, find_copy(corpus, folder))
    pack(contents, archive)
    known = _write(corpus, contents, archive, source=copy.source)
    shutil.rmtree(incoming)
    return known


def _fetch(corpus: Corpus, archive: Path, *, connections: int, patience: Patience) -> Provenance:
    source = address(corpus)
    known = _known(archive)
    incoming = archive.parent.parent / "incoming" / corpus.name
    if not (known and known.source == source and known.describes(archive)):
        fetched = fetch_corpus(
            corpus,
            incoming,
            connections=connections,
            patience=patience,
            known_digest=known.published_digest if known and known.source == source else "",
        )
        place, digest = fetched.place, fetched.digest
        contents = take_stock(corpus, [place])
        if isinstance(place, Archive) and not isinstance(place, RarArchive):
            # The record is written first: if the run is killed in between, the next one still finds the archive.
            known = record_provenance(corpus, contents, place.path, source=source, published_digest=digest)
            write_provenance(archive.with_suffix(".json"), known)
            remove_parts(archive)
            place.path.replace(archive)
        else:
            pack(contents, archive)
            known = _write(corpus, contents, archive, source=source, published_digest=digest)
    if incoming.is_dir():
        shutil.rmtree(incoming)
    return known


def _known(archive: Path) -> Provenance | None:
    """The record of a zip from an earlier run. A record that cannot be read is ignored and written again."""
    try:
        return read_provenance(archive.with_suffix(".json"))
    except InputError as error:
        _LOG.warning("%s; bringing the corpus anew", error)
        return None


def _write(
    corpus: Corpus, contents: Contents, archive: Path, *, source: str, published_digest: str = "", dated: bool = True
) -> Provenance:
    provenance = record_provenance(
        corpus, contents, archive, source=source, published_digest=published_digest, dated=dated
    )
    write_provenance(archive.with_suffix(".json"), provenance)
    return provenance
