"""Stage `download`: gets each corpus as one zip, with its provenance."""

from pathlib import Path

from deepemo.corpora.download.acquire import acquire
from deepemo.corpora.download.own import find_corpus
from deepemo.files import RAW
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/raw."""
    source_dir = Path(params.download.source_dir) if params.download.source_dir else None
    corpora = [find_corpus(name, source_dir) for name in params.download.corpora]
    acquired = acquire(corpora, params.download, raw_dir=RAW, seed=params.seed)
    counts = (
        f"{provenance.corpus} {provenance.recordings} of {provenance.published_recordings} recordings"
        for provenance in acquired
    )
    return f"download: {', '.join(counts)}"


if __name__ == "__main__":
    stage_main(main)
